"""`/v1/auth/password`: people change their own password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from flashnotify.api.auth import AnyKey, actor_of
from flashnotify.api.bodies import body_of, read_json, validated
from flashnotify.api.problems import problems
from flashnotify.errors import (
    FieldError,
    InvalidInput,
    InvalidValue,
    NotAuthenticated,
    NotPermitted,
)
from flashnotify.identity.passwords import MAX_LENGTH, MIN_LENGTH
from flashnotify.identity.principal import Principal
from flashnotify.identity.sign_in import SignIn
from flashnotify.identity.users import Users
from flashnotify.intake.json_documents import parse
from flashnotify.time_slices import TimeSlices

# Its length is checked with its strength: characters count as they are stored.
Password = Annotated[
    str,
    Field(
        json_schema_extra={
            "format": "password",
            "minLength": MIN_LENGTH,
            "maxLength": MAX_LENGTH,
            "writeOnly": True,
        }
    ),
]


class PasswordChange(BaseModel):
    """The password that a person has, and the new one."""

    model_config = ConfigDict(extra="forbid")

    current: Annotated[str, Field(json_schema_extra={"format": "password", "writeOnly": True})]
    new: Password


def passwords_router(
    users: Users, sign_in: SignIn, max_request_bytes: int, slices: TimeSlices
) -> APIRouter:
    """Return the endpoint of `/v1/auth/password`."""
    router = APIRouter(prefix="/v1/auth", tags=["auth"])

    @router.post(
        "/password",
        status_code=204,
        summary="Change your password",
        description="All your sessions and tokens end at once, this one included.",
        responses=problems(403),
        openapi_extra={"requestBody": body_of(PasswordChange)},
    )
    async def change_password(request: Request, principal: AnyKey) -> None:
        id = user_of(principal)
        document = await parse(await read_json(request, max_request_bytes), slices)
        wanted = validated(PasswordChange, document, request.app.state.zone)
        actor = actor_of(request, principal)
        try:
            user = await sign_in.confirm(await users.find(id), wanted.current, actor.address)
        except NotAuthenticated:
            mistake = FieldError("/current", "wrong_password", "is not your password")
            raise InvalidInput([mistake]) from None
        with checking("/new"):
            since = user.credentials_changed_at
            await users.set_password(actor, id, wanted.new, unless_changed_since=since)

    return router


def user_of(principal: Principal) -> UUID:
    """Return the id of the user who is authenticated. Raise `NotPermitted` if it is none."""
    kind, _, id = principal.id.partition(":")
    if kind != "user":
        raise NotPermitted(
            "Only people have this. Sign in, or send a token of a user.", code="not_a_user"
        )
    return UUID(id)


@contextmanager
def checking(pointer: str) -> Iterator[None]:
    """Report a password that is not good enough at a JSON `pointer`, as `InvalidInput`."""
    try:
        yield
    except InvalidValue as error:
        raise InvalidInput([FieldError.of(pointer, error)]) from None
