"""What is in hand. On SQLite, where one process works, a claim is in memory and costs no write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from flashnotify.domain import Job


@dataclass(slots=True)
class _InHand:
    """A notification of which some job is in hand."""

    jobs: int = 0
    cancelled: bool = False
    sending: set[UUID] = field(default_factory=set)


class Claims:
    """Which notifications and deliveries are in hand, and which must go no further."""

    def __init__(self) -> None:
        self._in_hand: dict[UUID, _InHand] = {}

    @contextmanager
    def job(self, job: Job) -> Iterator[None]:
        """Hold a job while it is carried out."""
        held = self._in_hand.setdefault(job.notification_id, _InHand())
        held.jobs += 1
        try:
            yield
        finally:
            held.jobs -= 1
            if not held.jobs:
                del self._in_hand[job.notification_id]

    @contextmanager
    def delivery(self, job: Job, delivery_id: UUID) -> Iterator[None]:
        """Hold a delivery of a job in hand while it is being sent."""
        sending = self._in_hand[job.notification_id].sending
        sending.add(delivery_id)
        try:
            yield
        finally:
            sending.discard(delivery_id)

    def sending(self, notification_id: UUID) -> frozenset[UUID]:
        """The deliveries of a notification that are being sent just now."""
        held = self._in_hand.get(notification_id)
        return frozenset(held.sending) if held is not None else frozenset()

    def cancel(self, notification_id: UUID) -> None:
        """Let the jobs in hand begin nothing new for this notification."""
        held = self._in_hand.get(notification_id)
        if held is not None:
            held.cancelled = True

    def cancelled(self, job: Job) -> bool:
        """Whether a job in hand must begin nothing new."""
        return self._in_hand[job.notification_id].cancelled
