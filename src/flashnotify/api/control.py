"""`/v1/notifications/{id}/cancel` and `/retry`."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from flashnotify.api.auth import NOTIFY_KIND, requires
from flashnotify.api.notifications import AcceptedOut
from flashnotify.api.problems import problems
from flashnotify.archive.ports import Notifications
from flashnotify.control.control import Control, find_notification
from flashnotify.identity.principal import Principal


class ControlOut(AcceptedOut):
    """The notification's status, and its deliveries counted by channel and status.

    Its content is left out: the scope to send does not include the scope to read.
    """

    counts: Mapping[str, Mapping[str, int]]


def control_router(control: Control, notifications: Notifications) -> APIRouter:
    """Return the endpoints that cancel and retry notifications."""

    async def allowed(id: UUID, principal: Annotated[Principal, requires(NOTIFY_KIND)]) -> None:
        notification = await find_notification(notifications, id)
        principal.require(f"notify:{notification.kind}")

    router = APIRouter(
        prefix="/v1/notifications/{id}",
        tags=["notifications"],
        dependencies=[Depends(allowed)],
        responses=problems(404, 409),
    )

    @router.post(
        "/cancel",
        summary="Cancel a notification",
        description="Deliveries that are not sent yet are cancelled.",
    )
    async def cancel(id: UUID) -> ControlOut:
        await control.cancel(id)
        return await answer(id)

    @router.post("/retry", summary="Retry failed deliveries")
    async def retry(id: UUID) -> ControlOut:
        await control.retry(id)
        return await answer(id)

    async def answer(id: UUID) -> ControlOut:
        notification = await find_notification(notifications, id)
        counts, href = await notifications.counts(id), f"/v1/notifications/{id}"
        return ControlOut(id=id, status=notification.status, href=href, counts=counts)

    return router
