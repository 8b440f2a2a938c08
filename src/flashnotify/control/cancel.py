"""Cancels the deliveries of a notification that are not sent yet."""

from dataclasses import dataclass
from uuid import UUID

from flashnotify.archive.ports import Archive
from flashnotify.archive.records import Notification
from flashnotify.clock import Clock
from flashnotify.control.lookup import find_notification
from flashnotify.delivery.in_flight import InFlight
from flashnotify.domain import Lane, NotificationStatus
from flashnotify.errors import Conflict
from flashnotify.keyed_locks import KeyedLocks
from flashnotify.queue.dispatch import Dispatch


@dataclass(eq=False, slots=True)
class Cancel:
    """Cancels notifications."""

    archive: Archive
    dispatch: Dispatch
    in_flight: InFlight
    locks: KeyedLocks[UUID]
    clock: Clock

    async def cancel(self, id: UUID) -> None:
        """Cancel the queued deliveries of a notification; those being sent now are not stopped.

        The jobs of the notification become due at once, and end their deliveries as cancelled.

        Raises:
            NotFound: there is no such notification.
            Conflict: the notification is over.
        """
        async with self.locks[id]:
            notification = await find_notification(self.archive.notifications, id)
            if notification.status is NotificationStatus.cancelled:
                return
            if notification.status.final:
                raise _over(notification)
            now = self.clock.now()
            with self.in_flight.cancelling(id):
                await self.archive.notifications.cancel(id, now)
                # Not before: a cancellation that is refused must stop nothing. From here on, jobs
                # in flight send nothing new.
                self.in_flight.cancel(id)
            notification = await find_notification(self.archive.notifications, id)
            if notification.status is not NotificationStatus.cancelled:
                # Its last delivery ended before the cancellation.
                raise _over(notification)
            for channel in self.dispatch.queues():
                self.dispatch.wake_up(Lane(channel, notification.priority), now)


def _over(notification: Notification) -> Conflict:
    return Conflict(
        f"The notification is {notification.status}; there is nothing left to cancel.",
        code="notification_over",
    )
