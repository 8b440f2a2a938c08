"""Queues the failed deliveries of a notification again."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from flashnotify.archive.ports import Archive
from flashnotify.clock import Clock
from flashnotify.control.lookup import find_notification
from flashnotify.domain import BATCH_SIZE, Job, NotificationStatus
from flashnotify.errors import Conflict
from flashnotify.keyed_locks import KeyedLocks
from flashnotify.queue.dispatch import Dispatch

_FIRST = UUID(int=0)


@dataclass(eq=False, slots=True)
class Retry:
    """Retries notifications."""

    archive: Archive
    dispatch: Dispatch
    locks: KeyedLocks[UUID]
    clock: Clock
    ids: Callable[[], UUID]

    async def retry(self, id: UUID) -> int:
        """Queue the failed deliveries of a notification again; return how many there were.

        Raises:
            NotFound: there is no such notification.
            Conflict: it was cancelled, or has expired.
        """
        async with self.locks[id]:
            notification = await find_notification(self.archive.notifications, id)
            now = self.clock.now()
            if notification.status is NotificationStatus.cancelled:
                raise Conflict(
                    "The notification was cancelled. Send it as a new one.",
                    code="notification_cancelled",
                )
            if notification.expires_at is not None and now >= notification.expires_at:
                raise Conflict(
                    "The notification has expired. Send it as a new one.",
                    code="notification_expired",
                )
            # Once through all, each round on disk before the next: a delivery that fails again
            # meanwhile is not queued twice.
            last, requeued = _FIRST, 0
            latest: dict[str, Job] = {}
            while failed := await self.archive.deliveries.failed(id, last, BATCH_SIZE):
                ordinal = requeued // BATCH_SIZE
                jobs = [
                    self.dispatch.in_turn(
                        Job(self.ids(), id, notification.priority, channel, ordinal),
                        latest.get(channel),
                    )
                    for channel in sorted({delivery.channel for delivery in failed})
                ]
                latest |= {str(job.channel): job for job in jobs}
                await self.archive.notifications.requeue(id, failed, jobs, now)
                for job in jobs:
                    self.dispatch.put(job)
                last = failed[-1].id
                requeued += len(failed)
            return requeued
