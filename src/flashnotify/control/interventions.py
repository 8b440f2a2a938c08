"""What can still be done with a notification: cancel what is not sent, retry what failed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from sqlalchemy import Row

from flashnotify.archive.reads.reader import Reader
from flashnotify.archive.writer import Writer
from flashnotify.archive.writes.changes import Change
from flashnotify.archive.writes.statements import (
    ADD_COUNT,
    ADD_JOB,
    CANCEL_NOTIFICATION,
    HASTEN_JOBS,
    REOPEN_NOTIFICATION,
    REQUEUE_DELIVERY,
)
from flashnotify.clock import Clock
from flashnotify.delivery.in_flight import Claims
from flashnotify.domain import BATCH_SIZE, DeliveryStatus, Job, NotificationStatus, Priority
from flashnotify.errors import Conflict, NotFound


class Interventions:
    """Cancels and retries. `notice` is told what is due, in milliseconds since the epoch."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        claims: Claims,
        notice: Callable[[Priority, int], None],
        clock: Clock,
        ids: Callable[[], UUID],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._claims = claims
        self._notice = notice
        self._clock = clock
        self._ids = ids
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def cancel(self, id: UUID) -> None:
        """Send nothing more of a notification. What is being sent just now still ends as it does.

        Its jobs come up at once, and end what is queued as cancelled.

        Raises:
            NotFound: there is no such notification.
            Conflict: it is over already.
        """
        async with self._lock(id):
            notification = await self._find(id)
            if notification.status == NotificationStatus.cancelled:
                return
            if NotificationStatus(notification.status).over:
                raise _over(notification)
            now = self._clock.now()
            # In hand first: from here on nothing new of it is begun.
            self._claims.cancel(id)
            await self._writer.write(
                (CANCEL_NOTIFICATION, {"of": id, "now": now}),
                (HASTEN_JOBS, {"notification": id, "now": now}),
            )
            # Jobs that were taken in hand while the write was under way.
            self._claims.cancel(id)
            notification = await self._find(id)
            if notification.status != NotificationStatus.cancelled:
                # Its last delivery ended first.
                raise _over(notification)
            self._notice(Priority(notification.priority), now)

    async def retry(self, id: UUID) -> int:
        """Queue the failed deliveries of a notification again; how many those were.

        Raises:
            NotFound: there is no such notification.
            Conflict: it was cancelled, or has expired.
        """
        async with self._lock(id):
            notification = await self._find(id)
            now = self._clock.now()
            if notification.status == NotificationStatus.cancelled:
                raise Conflict("It was cancelled. Send it as a new notification.")
            if notification.expires_at is not None and now >= notification.expires_at:
                raise Conflict("It has expired. Send it as a new notification.")
            priority, requeued = Priority(notification.priority), 0
            # Once through all, each round on disk before the next: what fails again meanwhile
            # has had its turn.
            last = id
            while failed := await self._reader.failed_deliveries(id, last, BATCH_SIZE):
                await self._writer.write(*self._requeue(id, priority, failed, now))
                last = failed[-1].id
                requeued += len(failed)
                self._notice(priority, now)
            return requeued

    def _requeue(
        self, id: UUID, priority: Priority, failed: Sequence[Row[Any]], now: int
    ) -> list[Change]:
        """The writes that give some failed deliveries jobs again, one for each channel."""
        changes: list[Change] = []
        for channel, number in Counter(row.channel for row in failed).items():
            job = Job(self._ids(), id, priority, channel)
            changes += [
                (REQUEUE_DELIVERY, {"of": row.id, "job": job.id, "now": now})
                for row in failed
                if row.channel == channel
            ]
            count = {"notification_id": id, "channel": channel}
            for status, moved in (
                (DeliveryStatus.failed, -number),
                (DeliveryStatus.queued, number),
            ):
                changes.append((ADD_COUNT, {**count, "status": status, "deliveries": moved}))
            changes.append((ADD_JOB, job.row(due_at=now)))
        changes.append((REOPEN_NOTIFICATION, {"of": id, "more": len(failed), "now": now}))
        return changes

    def _lock(self, id: UUID) -> asyncio.Lock:
        return self._locks.setdefault(id, asyncio.Lock())

    async def _find(self, id: UUID) -> Row[Any]:
        notification = await self._reader.notification(id)
        if notification is None:
            raise NotFound("There is no notification with this id.")
        return notification


def _over(notification: Row[Any]) -> Conflict:
    return Conflict(f"It is {notification.status}: there is nothing left to cancel.")
