"""Cancels what is not sent yet of a notification."""

from __future__ import annotations

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
        """Send nothing more of a notification. A message that is being sent now still ends as sent.

        The jobs of the notification come up at once, and end what is queued as cancelled.

        Raises:
            NotFound: there is no such notification.
            Conflict: it is over.
        """
        async with self.locks[id]:
            notification = await find_notification(self.archive.notifications, id)
            if notification.status is NotificationStatus.cancelled:
                return
            if notification.status.final:
                raise _over(notification)
            now = self.clock.now()
            # Jobs in flight first: from here on they send nothing new.
            self.in_flight.cancel(id)
            await self.archive.notifications.cancel(id, now)
            # Jobs that were taken while the write was under way.
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
