"""Finds the notification that a request is about."""

from uuid import UUID

from flashnotify.archive.ports import Notifications
from flashnotify.archive.records import Notification
from flashnotify.errors import NotFound


async def find_notification(
    notifications: Notifications, id: UUID, *, audience: bool = False
) -> Notification:
    """Return a notification, or raise `NotFound`. Its audience may be long: only if asked for."""
    notification = await notifications.find(id, audience=audience)
    if notification is None:
        raise NotFound("No notification has this id.")
    return notification
