"""`/v1/auth/sessions`: where one is signed in with a browser, and signing out there."""

from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel

from flashnotify.api.auth import AnyKey, actor_of
from flashnotify.api.fields import Page, Time
from flashnotify.archive.identity_records import Session
from flashnotify.domain import moment
from flashnotify.errors import NotFound
from flashnotify.identity.principal import Principal
from flashnotify.identity.roles import user_id
from flashnotify.identity.sessions import SESSION_LIFETIME, Sessions


class SessionOut(BaseModel):
    """A browser that is signed in. `current` is the one that asks."""

    id: UUID
    created_at: Time
    seen_at: Time
    expires_at: Time
    address: str | None
    user_agent: str | None
    current: bool


def sessions_router(sessions: Sessions) -> APIRouter:
    """Return the endpoints of `/v1/auth/sessions`."""
    router = APIRouter(prefix="/v1/auth/sessions", tags=["sign-in"])

    @router.get(
        "",
        summary="List your sessions",
        description="The browsers in which you are signed in, newest first. API keys have none.",
    )
    async def list_sessions(request: Request, principal: AnyKey) -> Page[SessionOut]:
        found, current = await _own(principal), _current(request)
        items = [
            SessionOut(
                id=each.id,
                created_at=moment(each.created_at),
                seen_at=moment(each.seen_at),
                expires_at=moment(each.created_at + SESSION_LIFETIME),
                address=each.address,
                user_agent=each.user_agent,
                current=each.id == current,
            )
            for each in found
        ]
        return Page(items=items, next=None)

    @router.delete(
        "/{id}",
        status_code=204,
        summary="End a session",
        description="Signs out of that browser, effective at once.",
    )
    async def revoke_session(request: Request, id: UUID, principal: AnyKey) -> None:
        if id not in [each.id for each in await _own(principal)]:
            raise NotFound(f"No session of yours has the id {str(id)!r}.")
        await _end(request, principal, [id])

    @router.delete(
        "",
        status_code=204,
        summary="End all other sessions",
        description="Signs out of every browser but the one that asks, effective at once.",
    )
    async def revoke_other_sessions(request: Request, principal: AnyKey) -> None:
        current = _current(request)
        await _end(request, principal, [s.id for s in await _own(principal) if s.id != current])

    async def _own(principal: Principal) -> list[Session]:
        id = user_id(principal)
        return [] if id is None else list(await sessions.of_user(id))

    async def _end(request: Request, principal: Principal, ids: list[UUID]) -> None:
        id = user_id(principal)
        if id is not None and ids:
            await sessions.end(actor_of(request, principal), id, ids)

    return router


def _current(request: Request) -> UUID | None:
    """Return the session whose cookie the request was authenticated by."""
    signed_in = request.scope["state"].get("signed_in")
    return None if signed_in is None else signed_in.session.id
