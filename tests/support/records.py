"""Records that tests put into an archive."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flashnotify.archive.ports import Archive
from flashnotify.archive.records import (
    Attempt,
    Delivery,
    DeliveryResult,
    Disposition,
    FanOutSlice,
    Notification,
    OutboxMessage,
    ScheduledJob,
)
from flashnotify.domain import (
    AttemptOutcome,
    DeliveryStatus,
    Job,
    NotificationStatus,
    Priority,
)
from flashnotify.ids import UUIDv7


@dataclass
class Records:
    """Makes records with ids of `now`, and stores them in `archive`."""

    archive: Archive
    now: Callable[[], int]

    def __post_init__(self) -> None:
        self.id = UUIDv7(self.now)

    def notification(self, **changes: Any) -> Notification:
        """Return a queued academic notification to one recipient."""
        now = self.now()
        values: dict[str, Any] = {
            "id": self.id(),
            "kind": "academic",
            "title": "Room changed",
            "body": "It is in B204.",
            "data": {"course": "ALG-2"},
            "audience": ("mailto:ada@univ.example",),
            "priority": Priority.low,
            "channels": None,
            "locale": "en",
            "send_at": None,
            "expires_at": None,
            "reference": None,
            "sender": "local",
            "status": NotificationStatus.queued,
            "accepted_at": now,
            "updated_at": now,
        }
        values |= changes
        return Notification(**({"recipients": len(values["audience"])} | values))

    def delivery(self, job: Job, **changes: Any) -> Delivery:
        """Return a queued delivery of the batch `job`."""
        now = self.now()
        values: dict[str, Any] = {
            "id": self.id(),
            "notification_id": job.notification_id,
            "job_id": job.id,
            "kind": "academic",
            "channel": str(job.channel),
            "address": "ada@univ.example",
            "status": DeliveryStatus.queued,
            "due_at": now,
            "updated_at": now,
        }
        return Delivery(**(values | changes))

    def attempt(self, outcome: AttemptOutcome = AttemptOutcome.sent, **changes: Any) -> Attempt:
        """Return an attempt of 20 ms, which counts in statistics."""
        values: dict[str, Any] = {
            "at": self.now(),
            "duration": 0.02,
            "transport": "smtp://mail",
            "outcome": outcome,
            "answer": "250 OK",
            "tracked": True,
        }
        return Attempt(**(values | changes))

    async def accepted(
        self, *, turn: int | None = 0, due_at: int | None = None, **changes: Any
    ) -> tuple[Notification, Job]:
        """Store a notification with its fan-out job."""
        notification = self.notification(**changes)
        job = Job(self.id(), notification.id, notification.priority, turn=turn)
        due_at = self.now() if due_at is None else due_at
        await self.archive.notifications.accept(notification, ScheduledJob(job, due_at), None)
        return notification, job

    async def fanned_out(
        self, deliveries: int = 1, channels: Sequence[str] = ("email",), **changes: Any
    ) -> tuple[Notification, list[tuple[Job, list[Delivery]]]]:
        """Store a notification with a batch of deliveries for each channel."""
        notification, fan_out = await self.accepted(**changes)
        batches: list[tuple[Job, list[Delivery]]] = []
        for channel in channels:
            job = Job(self.id(), notification.id, notification.priority, channel, turn=0)
            batches.append((job, [self.delivery(job) for _ in range(deliveries)]))
        done = FanOutSlice(
            upto=deliveries,
            deliveries=[delivery for _, some in batches for delivery in some],
            jobs=[ScheduledJob(job, self.now()) for job, _ in batches],
            finished=True,
        )
        await self.archive.notifications.add_deliveries(fan_out, done, self.now())
        return notification, batches

    def record(
        self,
        notification: Notification,
        delivery: Delivery,
        attempts: Sequence[Attempt],
        disposition: Disposition,
        now: int,
        captured: OutboxMessage | None = None,
    ) -> asyncio.Future[None]:
        """Hand over the result of a delivery."""
        result = DeliveryResult(delivery, attempts, disposition, captured)
        return self.archive.deliveries.record(notification, result, now)

    async def status(self, id: UUID) -> NotificationStatus:
        """Return the status of a notification."""
        found = await self.archive.notifications.find(id)
        assert found is not None
        return found.status
