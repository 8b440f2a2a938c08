"""Finds the notification that a request is about."""

from uuid import UUID

from flashnotify.archive.ports import Notifications
from flashnotify.archive.records import Notification
from flashnotify.errors import NotFound


async def find_notification(
    notifications: Notifications, id: UUID, *, audience: bool = False
) -> Notification:
    """Return a notification, with its audience only if asked for.

    Raise `NotFound` if there is none.
    """
    notification = await notifications.find(id, audience=audience)
    if notification is None:
        raise NotFound("No notification has this id.")
    return notification
