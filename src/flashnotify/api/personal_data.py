"""What is stored about a person, as one document, and its erasure: `/v1/users/{id}`, `/v1/me`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from flashnotify.api.auth import AnyKey, PeopleManager, actor_of, own_id
from flashnotify.api.bodies import body_of, read_model
from flashnotify.api.problems import problems
from flashnotify.api.streamed_answers import StreamedAnswer
from flashnotify.archive.identity_records import User
from flashnotify.clock import Clock
from flashnotify.domain import Role
from flashnotify.errors import FieldError, InvalidInput, NotAuthenticated, NotPermitted
from flashnotify.identity.principal import ADMIN, Principal
from flashnotify.identity.sign_in import SignIn
from flashnotify.identity.users import Users
from flashnotify.people.erasure import Erasure
from flashnotify.time_slices import TimeSlices

_MAX_BYTES = 16 * 1024
# Milliseconds after a sign-in during which no password is needed.
_FRESH = 10 * 60_000
_JSON = "application/json"

Erase = Annotated[
    bool, Query(description="Must be true: a user is erased, or deactivated, never just deleted.")
]


class ErasureConfirmation(BaseModel):
    """What proves that it is really this person who wants to be erased."""

    model_config = ConfigDict(extra="forbid")

    password: Annotated[
        str | None, Field(json_schema_extra={"format": "password", "writeOnly": True})
    ] = None


def personal_data_router(
    erasure: Erasure, users: Users, sign_in: SignIn, clock: Clock, slices: TimeSlices
) -> APIRouter:
    """Return the endpoints that export and erase what is stored about a person."""
    router = APIRouter(prefix="/v1", tags=["people"])
    document: dict[str, Any] = {
        "response_class": StreamedAnswer,
        "responses": problems(403) | {200: {"content": {_JSON: {"schema": {"type": "object"}}}}},
    }

    def exported(user: User) -> StreamedAnswer:
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{user.id}.json"',
        }
        return StreamedAnswer(erasure.document(user), headers=headers, media_type=_JSON)

    @router.get(
        "/users/{id}/export",
        summary="Export all about a person",
        description="Everything that is stored about a person, as one JSON document.",
        **document,
    )
    async def export_user(id: UUID, request: Request, principal: PeopleManager) -> StreamedAnswer:
        user = await users.find(id)
        await erasure.audit.record(actor_of(request, principal), "user.exported", f"user:{user.id}")
        return exported(user)

    @router.get(
        "/me/export",
        summary="Export all about you",
        description="Everything that is stored about you, as one JSON document.",
        **document,
    )
    async def export_me(principal: AnyKey) -> StreamedAnswer:
        return exported(await users.find(own_id(principal)))

    @router.delete(
        "/users/{id:uuid}",
        status_code=204,
        summary="Erase a person",
        description="Whatever says who they are goes from the archive; what was sent stays "
        "counted. This cannot be undone.",
        responses=problems(409, 503),
    )
    async def erase_user(
        id: UUID, request: Request, principal: PeopleManager, erase: Erase = False
    ) -> None:
        _require(erase)
        user = await users.find(id)
        if user.role is not Role.member:
            principal.require(ADMIN)
        await erasure.erase(actor_of(request, principal), id)

    @router.delete(
        "/me",
        status_code=204,
        summary="Erase yourself",
        description="As `DELETE /v1/users/{id}`. It takes your password, or a browser in which "
        "you have signed in within ten minutes.",
        responses=problems(403, 409, 503),
        openapi_extra={"requestBody": body_of(ErasureConfirmation)},
    )
    async def erase_me(request: Request, principal: AnyKey, erase: Erase = False) -> None:
        _require(erase)
        user = await users.find(own_id(principal))
        given = await read_model(request, ErasureConfirmation, _MAX_BYTES, slices)
        await _confirm(request, principal, user, given.password)
        await erasure.erase(actor_of(request, principal), user.id)

    async def _confirm(
        request: Request, principal: Principal, user: User, password: str | None
    ) -> None:
        signed_in = request.scope["state"].get("signed_in")
        if password is None:
            began = signed_in.session.created_at if signed_in is not None else 0
            if clock.now() - began > _FRESH:
                raise NotPermitted(
                    "Send your password, or sign in again first.", code="fresh_sign_in_needed"
                )
            return
        try:
            await sign_in.confirm(user, password, actor_of(request, principal).address)
        except NotAuthenticated:
            mistake = FieldError("/password", "wrong_password", "is not your password")
            raise InvalidInput([mistake]) from None

    return router


def _require(erase: bool) -> None:
    if not erase:
        detail = (
            "must be true: to erase cannot be undone. To keep what is stored, deactivate the user: "
            "POST /v1/users/{id}/deactivate"
        )
        raise InvalidInput([FieldError("/erase", "required", detail)])
