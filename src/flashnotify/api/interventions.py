"""`/v1/notifications/{id}/cancel` and `/retry`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from flashnotify.api.notifications import NotificationDetail, find_notification, notification_detail
from flashnotify.api.problems import problems
from flashnotify.api.requests import Authenticate
from flashnotify.archive.reader import Reader
from flashnotify.auth.permissions import Caller
from flashnotify.interventions import Interventions


def interventions_router(
    interventions: Interventions, reader: Reader, authenticate: Authenticate
) -> APIRouter:
    """The endpoints that act on what was accepted before."""
    router = APIRouter(prefix="/v1/notifications/{id}", tags=["notifications"])

    async def sender(id: UUID, caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
        """Whoever may send a kind may also cancel and retry its notifications."""
        row = await find_notification(reader, id)
        caller.require(f"notify:{row.kind}")
        return caller

    @router.post(
        "/cancel",
        summary="Cancel what is not sent yet",
        responses=problems(401, 403, 404, 409, 422, 429, 503),
    )
    async def cancel(id: UUID, _caller: Annotated[Caller, Depends(sender)]) -> NotificationDetail:
        await interventions.cancel(id)
        return await notification_detail(reader, id)

    @router.post(
        "/retry",
        summary="Queue what failed again",
        responses=problems(401, 403, 404, 409, 422, 429, 503),
    )
    async def retry(id: UUID, _caller: Annotated[Caller, Depends(sender)]) -> NotificationDetail:
        await interventions.retry(id)
        return await notification_detail(reader, id)

    return router
