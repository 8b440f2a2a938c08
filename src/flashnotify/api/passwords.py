"""`/v1/auth/password`: people change their own password, or get a new one if they forgot it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from flashnotify.api.auth import AnyKey, actor_of, address_of, own_id
from flashnotify.api.bodies import body_of, read_model
from flashnotify.api.parameters import refuse_unknown_parameters
from flashnotify.api.problems import problems
from flashnotify.errors import (
    FieldError,
    InvalidInput,
    InvalidValue,
    NotAuthenticated,
)
from flashnotify.identity.password_reset import LINK_MINUTES, PasswordReset
from flashnotify.identity.passwords import MAX_LENGTH, MIN_LENGTH
from flashnotify.identity.sign_in import SignIn
from flashnotify.identity.users import Users
from flashnotify.meta.descriptors import Email
from flashnotify.time_slices import TimeSlices

# Of a body: anybody may send one.
_MAX_BYTES = 16 * 1024


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


class ResetIn(BaseModel):
    """Who forgot their password."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[str, Email(special=True)]


class ResetOut(BaseModel):
    """The minutes for which the link works, if one is sent."""

    minutes: int


class ResetConfirmation(BaseModel):
    """The token of a link, which is what follows its `#`, and the new password."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, Field(max_length=500)]
    new_password: Password


PASSWORD_REQUESTS = (PasswordChange, ResetIn, ResetConfirmation)


def passwords_router(
    users: Users,
    sign_in: SignIn,
    reset: PasswordReset,
    slices: TimeSlices,
) -> APIRouter:
    """Return the endpoints of passwords below `/v1/auth`."""
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
        id = own_id(principal)
        wanted = await read_model(request, PasswordChange, _MAX_BYTES, slices)
        actor = actor_of(request, principal)
        try:
            user = await sign_in.confirm(await users.find(id), wanted.current, actor.address)
        except NotAuthenticated:
            mistake = FieldError("/current", "wrong_password", "is not your password")
            raise InvalidInput([mistake]) from None
        with checking("/new"):
            since = user.credentials_changed_at
            await users.set_password(actor, id, wanted.new, unless_changed_since=since)

    @router.post(
        "/password-reset",
        status_code=202,
        summary="Ask for a new password",
        description="A link goes to the user with this email address, if there is one. It works "
        "once, within 30 minutes. The answer is the same for every address.",
        responses=problems(429, 503),
        openapi_extra={"requestBody": body_of(ResetIn)},
    )
    async def request_password_reset(request: Request) -> ResetOut:
        await refuse_unknown_parameters(request)
        wanted = await read_model(request, ResetIn, _MAX_BYTES, slices)
        reset.request(wanted.email, address_of(request))
        return ResetOut(minutes=LINK_MINUTES)

    @router.post(
        "/password-reset/confirm",
        status_code=204,
        summary="Set a new password by a link",
        description="All sessions and tokens of the user end at once.",
        responses=problems(429, 503),
        openapi_extra={"requestBody": body_of(ResetConfirmation)},
    )
    async def confirm_password_reset(request: Request) -> None:
        await refuse_unknown_parameters(request)
        wanted = await read_model(request, ResetConfirmation, _MAX_BYTES, slices)
        with checking("/new_password"):
            await reset.confirm(wanted.token, wanted.new_password, address_of(request))

    return router


@contextmanager
def checking(pointer: str) -> Iterator[None]:
    """Report a password that is not good enough at a JSON `pointer`, as `InvalidInput`."""
    try:
        yield
    except InvalidValue as error:
        raise InvalidInput([FieldError.of(pointer, error)]) from None
