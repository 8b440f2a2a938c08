"""What is in flight. One process works on a SQLite archive, so a claim costs no write."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from flashnotify.delivery.fresh_batches import FreshBatches
from flashnotify.domain import Job


@dataclass(slots=True)
class _Notification:
    """A notification that has jobs in flight."""

    jobs: int = 0
    cancelled: bool = False
    sending: set[UUID] = field(default_factory=set)


class InFlight:
    """The notifications and deliveries in flight, and which of them were cancelled.

    `fresh` is what is at hand of queued batches. `erased` are deliveries to people who were erased
    since their batches were read.
    """

    def __init__(self) -> None:
        self.fresh = FreshBatches()
        self.erased: set[UUID] = set()
        self._notifications: dict[UUID, _Notification] = {}
        self._cancelling: set[UUID] = set()

    @contextmanager
    def job(self, job: Job) -> Iterator[None]:
        """Hold a job while it is carried out."""
        held = self._notifications.setdefault(job.notification_id, _Notification())
        held.jobs += 1
        try:
            yield
        finally:
            held.jobs -= 1
            if not held.jobs:
                del self._notifications[job.notification_id]

    @contextmanager
    def delivery(self, job: Job, delivery_id: UUID) -> Iterator[None]:
        """Hold a delivery of a job in flight while it is being sent."""
        sending = self._notifications[job.notification_id].sending
        sending.add(delivery_id)
        try:
            yield
        finally:
            sending.discard(delivery_id)

    def sending(self, notification_id: UUID | None = None) -> frozenset[UUID]:
        """Return the deliveries of a notification, or of all, that are being sent now."""
        if notification_id is None:
            return frozenset().union(*(held.sending for held in self._notifications.values()))
        held = self._notifications.get(notification_id)
        return frozenset(held.sending) if held is not None else frozenset()

    @contextmanager
    def cancelling(self, notification_id: UUID) -> Iterator[None]:
        """Hold a notification while its cancellation is written, which may be refused."""
        self._cancelling.add(notification_id)
        try:
            yield
        finally:
            self._cancelling.discard(notification_id)

    def cancel(self, notification_id: UUID) -> None:
        """Keep the jobs in flight from sending more of this notification."""
        self.fresh.discard(notification_id)
        held = self._notifications.get(notification_id)
        if held is not None:
            held.cancelled = True

    def cancelled(self, job: Job) -> bool:
        """Return whether the notification of a job was cancelled while it is in flight."""
        held = self._notifications.get(job.notification_id)
        return held is not None and held.cancelled

    def ending(self, job: Job) -> bool:
        """Return whether the notification of a job in flight was cancelled, or may soon be."""
        return job.notification_id in self._cancelling or self.cancelled(job)
