"""`/v1/notifications/{id}/cancel` and `/retry`."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from flashnotify.api.auth import NOTIFY_KIND, requires
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
    router = APIRouter(prefix="/v1/notifications/{id}", tags=["notifications"])

    async def allowed(id: UUID, principal: Annotated[Principal, requires(NOTIFY_KIND)]) -> None:
        notification = await find_notification(notifications, id)
        principal.require(f"notify:{notification.kind}")

    @router.post(
        "/cancel",
        summary="Cancel a notification",
        description="Deliveries that are not sent yet are cancelled.",
        responses=problems(404, 409),
        dependencies=[Depends(allowed)],
    )
    async def cancel(id: UUID) -> ControlOut:
        await cancelling.cancel(id)
        return await _answer(id)

    @router.post(
        "/retry",
        summary="Retry failed deliveries",
        responses=problems(404, 409),
        dependencies=[Depends(allowed)],
    )
    async def retry(id: UUID) -> ControlOut:
        await retrying.retry(id)
        return await _answer(id)

    async def _answer(id: UUID) -> ControlOut:
        notification = await find_notification(notifications, id)
        return ControlOut(
            id=id,
            status=notification.status,
            href=f"/v1/notifications/{id}",
            counts=await notifications.counts(id),
        )

    return router
