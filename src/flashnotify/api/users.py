"""`/v1/users`: people who sign in, with their roles."""

import json
from collections.abc import Collection
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from flashnotify.api.auth import Admin, actor_of
from flashnotify.api.bodies import body_of, read_model
from flashnotify.api.fields import Cursor, Limit, Page, Time, read_from
from flashnotify.api.passwords import Password, checking
from flashnotify.api.path_prefix import link
from flashnotify.api.problems import problems
from flashnotify.archive import records
from flashnotify.archive.identity_records import User, UserFilter
from flashnotify.domain import Role
from flashnotify.errors import FieldError, InvalidInput, InvalidValue
from flashnotify.identity.users import MAX_ATTRIBUTES, Users
from flashnotify.meta.descriptors import Email, Text
from flashnotify.meta.localization import Locale, TimeZone
from flashnotify.meta.phone import Phone
from flashnotify.meta.suggestions import did_you_mean
from flashnotify.time_slices import TimeSlices


def _small(attributes: dict[str, Any]) -> dict[str, Any]:
    try:
        text = json.dumps(attributes, ensure_ascii=False, allow_nan=False)
    except ValueError:
        # Such as 1e999, which JSON has and a double does not.
        raise InvalidValue("out_of_range", "must have no number that is out of range") from None
    if len(text.encode()) > MAX_ATTRIBUTES:
        raise InvalidValue("too_long", f"must have at most {MAX_ATTRIBUTES} bytes as JSON")
    return attributes


Name = Annotated[str, Text(required=True, max_length=200, example="Ada Lovelace")]


class UserChange(BaseModel):
    """What to change of a user. Fields that are absent stay; null removes what may be absent."""

    model_config = ConfigDict(extra="forbid")

    # Made by factories, these defaults are not in the schema: they stand for absent fields.
    name: Name = Field(default_factory=str)
    first_name: Annotated[str, Text(example="Ada")] | None = None
    last_name: Annotated[str, Text(example="Lovelace")] | None = None
    external_id: Annotated[str, Text(help="The id in the campus directory.")] | None = None
    email: Annotated[str, Email(example="ada@univ.example")] | None = None
    phone: Annotated[str, Phone(example="+33612345678")] | None = None
    locale: Annotated[str, Locale(example="fr")] | None = None
    timezone: Annotated[str, TimeZone(example="Europe/Paris")] | None = None
    role: Role = Field(default_factory=lambda: Role.viewer)
    kinds: Annotated[
        list[str], Field(max_length=50, description="The kinds that a sender or service may send.")
    ] = Field(default_factory=list)
    attributes: Annotated[dict[str, Any], AfterValidator(_small)] = Field(default_factory=dict)


class UserIn(UserChange):
    """A new user. Without a password, they cannot sign in with one."""

    name: Name
    role: Role
    password: Password | None = None


class PasswordIn(BaseModel):
    """The new password of a user."""

    model_config = ConfigDict(extra="forbid")

    password: Password


class UserOut(BaseModel):
    """A user."""

    id: UUID
    external_id: str | None
    name: str
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    locale: str | None
    timezone: str | None
    role: Role
    kinds: Annotated[list[str], BeforeValidator(sorted)]
    active: bool
    attributes: dict[str, Any]
    has_password: Annotated[
        bool, read_from("password_hash"), BeforeValidator(lambda stored: stored is not None)
    ]
    created_at: Time
    last_seen_at: Time | None


def users_router(
    users: Users, kinds: Collection[str], max_request_bytes: int, slices: TimeSlices
) -> APIRouter:
    """Return the endpoints of `/v1/users`. `kinds` are all that can be granted."""
    router = APIRouter(prefix="/v1/users", tags=["users"])

    @router.post(
        "",
        status_code=201,
        summary="Create a user",
        description="Email addresses and external ids are unique.",
        response_model=UserOut,
        responses=problems(409),
        openapi_extra={"requestBody": body_of(UserIn)},
    )
    async def create_user(request: Request, response: Response, principal: Admin) -> User:
        wanted = await read_model(request, UserIn, max_request_bytes, slices)
        fields = _fields(wanted, kinds)
        with checking("/password"):
            user = await users.create(actor_of(request, principal), fields, wanted.password)
        response.headers["Location"] = link(f"/v1/users/{user.id}")
        return user

    @router.get(
        "",
        summary="List users",
        description="Newest first.",
        response_model=Page[UserOut],
    )
    async def list_users(
        _: Admin,
        search: Annotated[
            str | None,
            Query(max_length=200, description="Part of a name, an email address or external id."),
        ] = None,
        role: Role | None = None,
        active: bool | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> records.Page[User]:
        return await users.page(UserFilter(search, role, active), limit=limit, cursor=cursor)

    @router.get(
        "/{id:uuid}",
        summary="Get a user",
        description="The user as the list shows it.",
        response_model=UserOut,
    )
    async def get_user(id: UUID, _: Admin) -> User:
        return await users.find(id)

    @router.patch(
        "/{id:uuid}",
        summary="Change a user",
        description="Another role or email address, or other kinds, end the user's sessions and "
        "tokens.",
        response_model=UserOut,
        responses=problems(409),
        openapi_extra={"requestBody": body_of(UserChange)},
    )
    async def change_user(id: UUID, request: Request, principal: Admin) -> User:
        fields = _fields(await read_model(request, UserChange, max_request_bytes, slices), kinds)
        return await users.change(actor_of(request, principal), id, fields)

    @router.post(
        "/{id}/deactivate",
        summary="Deactivate a user",
        description="Their sessions and tokens end at once, and they cannot sign in.",
        response_model=UserOut,
        responses=problems(409),
    )
    async def deactivate_user(id: UUID, request: Request, principal: Admin) -> User:
        return await users.set_active(actor_of(request, principal), id, False)

    @router.post(
        "/{id}/activate",
        summary="Activate a user",
        description="They can sign in again.",
        response_model=UserOut,
    )
    async def activate_user(id: UUID, request: Request, principal: Admin) -> User:
        return await users.set_active(actor_of(request, principal), id, True)

    @router.put(
        "/{id}/password",
        status_code=204,
        summary="Set the password of a user",
        description="Their sessions and tokens end at once.",
        openapi_extra={"requestBody": body_of(PasswordIn)},
    )
    async def set_password(id: UUID, request: Request, principal: Admin) -> None:
        wanted = await read_model(request, PasswordIn, max_request_bytes, slices)
        with checking("/password"):
            await users.set_password(actor_of(request, principal), id, wanted.password)

    return router


def _fields(wanted: UserChange, kinds: Collection[str]) -> dict[str, Any]:
    """Return the fields that a request has. Raise `InvalidInput` for an unknown kind."""
    fields = wanted.model_dump(exclude_unset=True, exclude={"password"})
    errors = [
        FieldError(
            f"/kinds/{index}",
            "unknown_kind",
            f"unknown kind; expected one of {', '.join(kinds)}{did_you_mean(kind, kinds)}",
        )
        for index, kind in enumerate(wanted.kinds)
        if kind not in kinds
    ]
    if errors:
        raise InvalidInput(errors)
    if "kinds" in fields:
        fields["kinds"] = frozenset(fields["kinds"])
    return fields
