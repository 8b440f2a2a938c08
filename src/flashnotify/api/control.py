"""`/v1/notifications/{id}/cancel` and `/retry`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from flashnotify.api.notifications import AcceptedOut, find_notification
from flashnotify.api.problems import problems
from flashnotify.api.requests import Authenticate
from flashnotify.archive.reads.reader import Reader
from flashnotify.control.interventions import Interventions
from flashnotify.identity.principal import Caller


class InterventionOut(AcceptedOut):
    """Where the notification is now, and its deliveries counted by channel and status.

    No more: whoever may send may not read for that.
    """

    counts: dict[str, dict[str, int]]


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
    async def cancel(id: UUID, _caller: Annotated[Caller, Depends(sender)]) -> InterventionOut:
        await interventions.cancel(id)
        return await _answer(id)

    @router.post(
        "/retry",
        summary="Queue what failed again",
        responses=problems(401, 403, 404, 409, 422, 429, 503),
    )
    async def retry(id: UUID, _caller: Annotated[Caller, Depends(sender)]) -> InterventionOut:
        await interventions.retry(id)
        return await _answer(id)

    async def _answer(id: UUID) -> InterventionOut:
        row = await find_notification(reader, id)
        return InterventionOut(
            id=id,
            status=row.status,
            href=f"/v1/notifications/{id}",
            counts=await reader.counts(id),
        )

    return router
