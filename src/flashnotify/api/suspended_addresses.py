"""`/v1/addresses/suspended`: addresses that nothing is sent to, since they do not work."""

from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel

from flashnotify.api.auth import PeopleManager, actor_of
from flashnotify.api.fields import Cursor, Limit, Page, Time
from flashnotify.archive import records
from flashnotify.archive.people_records import RefusedAddress
from flashnotify.identity.audit import Audit
from flashnotify.people.refused_addresses import RefusedAddresses


class SuspendedAddressOut(BaseModel):
    """An address that nothing is sent to, and the last reason why it was refused."""

    id: UUID
    channel: str
    address: str
    reason: str
    refusals: int
    suspended_at: Time


def suspended_addresses_router(refused: RefusedAddresses, audit: Audit) -> APIRouter:
    """Return the endpoints of `/v1/addresses/suspended`."""
    router = APIRouter(prefix="/v1/addresses/suspended", tags=["people"])

    @router.get(
        "",
        summary="List suspended addresses",
        description="Those that were refused for good three times in a row, or reported dead.",
        response_model=Page[SuspendedAddressOut],
    )
    async def list_suspended_addresses(
        principal: PeopleManager, limit: Limit = 50, cursor: Cursor = None
    ) -> records.Page[RefusedAddress]:
        return await refused.page(limit=limit, cursor=cursor)

    @router.delete(
        "/{id}",
        status_code=204,
        summary="Clear a suspended address",
        description="What comes next is sent to it again.",
    )
    async def clear_suspended_address(id: UUID, request: Request, principal: PeopleManager) -> None:
        await refused.clear(audit, actor_of(request, principal), id)

    return router
