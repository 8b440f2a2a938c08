"""`/v1/notifications/{id}/cancel` and `/retry`."""

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter

from flashnotify.api.auth import Sender
from flashnotify.api.notifications import AcceptedOut
from flashnotify.api.problems import problems
from flashnotify.archive.ports import Notifications
from flashnotify.control.cancel import Cancel
from flashnotify.control.lookup import find_notification
from flashnotify.control.retry import Retry
from flashnotify.identity.principal import Principal


class ControlOut(AcceptedOut):
    """The notification's status, and its deliveries counted by channel and status.

    Its content is left out: the scope to send does not include the scope to read.
    """

    counts: Mapping[str, Mapping[str, int]]


def control_router(cancelling: Cancel, retrying: Retry, notifications: Notifications) -> APIRouter:
    """Return the endpoints that cancel and retry notifications."""
    router = APIRouter(
        prefix="/v1/notifications/{id}", tags=["notifications"], responses=problems(409)
    )

    @router.post(
        "/cancel",
        summary="Cancel a notification",
        description="Deliveries that are not sent yet are cancelled.",
    )
    async def cancel(id: UUID, principal: Sender) -> ControlOut:
        await require_scope(id, principal)
        await cancelling.cancel(id)
        return await answer(id)

    @router.post("/retry", summary="Retry failed deliveries")
    async def retry(id: UUID, principal: Sender) -> ControlOut:
        await require_scope(id, principal)
        await retrying.retry(id)
        return await answer(id)

    async def require_scope(id: UUID, principal: Principal) -> None:
        notification = await find_notification(notifications, id)
        principal.require(f"notify:{notification.kind}")

    async def answer(id: UUID) -> ControlOut:
        notification = await find_notification(notifications, id)
        counts, href = await notifications.counts(id), f"/v1/notifications/{id}"
        return ControlOut(id=id, status=notification.status, href=href, counts=counts)

    return router
