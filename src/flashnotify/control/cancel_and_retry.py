"""Cancels and retries accepted notifications."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.ports import Archive, Notifications
from flashnotify.archive.records import Notification
from flashnotify.clock import Clock
from flashnotify.delivery.in_flight import InFlight
from flashnotify.domain import BATCH_SIZE, Job, Lane, NotificationStatus
from flashnotify.errors import Conflict, NotFound
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.principal import Principal
from flashnotify.keyed_locks import KeyedLocks
from flashnotify.queue.dispatch import Dispatch


@dataclass(eq=False, slots=True)
class CancelAndRetry:
    """Cancels and retries notifications; calls about the same one wait for each other.

    A retry holds `purging`, so that nothing is purged between its reads and writes.
    """

    archive: Archive
    dispatch: Dispatch
    in_flight: InFlight
    clock: Clock
    ids: Callable[[], UUID]
    purging: asyncio.Lock
    audit: Audit
    _locks: KeyedLocks[UUID] = field(default_factory=KeyedLocks, init=False)

    async def cancel(self, id: UUID, actor: Actor) -> None:
        """Cancel the queued deliveries of a notification; those being sent now are not stopped.

        The jobs of the notification become due at once, and end their deliveries as cancelled.

        Raises:
            NotFound: there is no such notification.
            Conflict: the notification has already ended.
        """
        async with self._locks[id]:
            notification = await find_notification(self.archive.notifications, id)
            if notification.status is NotificationStatus.cancelled:
                return
            if notification.status.final:
                raise _over(notification)
            now = self.clock.now()

            async def cancel(entry: AuditEntry) -> None:
                notifications = self.archive.notifications
                await notifications.cancel(id, notification.priority, now, entry)
                after = await find_notification(notifications, id)
                if after.status is not NotificationStatus.cancelled:
                    # Its last delivery ended before the cancellation, which left no entry.
                    raise _over(after)

            with self.in_flight.cancelling(id):
                await self.audit.record(
                    actor, "notification.cancelled", f"notification:{id}", write=cancel
                )
                # Not before: a cancellation that is refused must stop nothing. From here on, jobs
                # in flight send nothing new.
                self.in_flight.cancel(id)
            for channel in self.dispatch.queues:
                self.dispatch.wake_up(Lane(channel, notification.priority), now)

    async def retry(self, id: UUID, actor: Actor) -> int:
        """Queue the failed deliveries of a notification again; return how many there were.

        Raises:
            NotFound: there is no such notification.
            Conflict: it was cancelled, or has expired.
        """
        async with self._locks[id], self.purging:
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
            # One pass over all, each round on disk before the next: a delivery that fails again
            # meanwhile is not queued twice.
            last, requeued = UUID(int=0), 0
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
                requeue = partial(self.archive.notifications.requeue, id, failed, jobs, now)
                if requeued:
                    await requeue()
                else:
                    await self.audit.record(
                        actor, "notification.retried", f"notification:{id}", write=requeue
                    )
                for job in jobs:
                    self.dispatch.put(job)
                last = failed[-1].id
                requeued += len(failed)
            return requeued


def _over(notification: Notification) -> Conflict:
    return Conflict(
        f"The notification is {notification.status}; there is nothing left to cancel.",
        code="notification_over",
    )


async def find_notification(
    notifications: Notifications, id: UUID, *, audience: bool = False
) -> Notification:
    """Return a notification, or raise `NotFound`. Its audience may be long: only if asked for."""
    notification = await notifications.find(id, audience=audience)
    if notification is None:
        raise _not_found()
    return notification


async def find_visible(
    notifications: Notifications, caller: Principal, id: UUID, *, audience: bool = False
) -> Notification:
    """Return a notification that `caller` may see; raise `NotFound` for any other."""
    notification = await find_notification(notifications, id, audience=audience)
    if caller.only_sender not in (None, notification.sender):
        raise _not_found()
    return notification


async def find_controlled(
    notifications: Notifications, caller: Principal, id: UUID
) -> Notification:
    """Return a notification that `caller` may cancel and retry, or raise `NotFound`."""
    notification = await find_notification(notifications, id)
    if not caller.may_control(notification.sender):
        raise _not_found()
    return notification


def _not_found() -> NotFound:
    return NotFound("No notification has this id.")
