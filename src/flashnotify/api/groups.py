"""`/v1/groups`: sets of people, by membership, by the groups in them, or by a rule."""

from collections.abc import Collection
from dataclasses import fields as record_fields
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from flashnotify.api.auth import PeopleManager, actor_of
from flashnotify.api.bodies import body_of, read_model
from flashnotify.api.fields import Cursor, Limit, Page, Time
from flashnotify.api.path_prefix import link
from flashnotify.api.problems import problems
from flashnotify.archive import records
from flashnotify.archive.people_records import Group, GroupFilter
from flashnotify.errors import FieldError, InvalidInput
from flashnotify.meta.descriptors import Text
from flashnotify.meta.suggestions import did_you_mean
from flashnotify.people.cost_centres import CostCentres
from flashnotify.people.groups import Groups
from flashnotify.people.slugs import Slug
from flashnotify.time_slices import TimeSlices

GroupPath = Annotated[str, Path(max_length=100, description="The id or slug of a group.")]
_SLUG = Annotated[str, Slug(required=True, example="l3-info")]
_NAME = Annotated[str, Text(required=True, max_length=200, example="L3 Informatique")]


class GroupChange(BaseModel):
    """What to change of a group. Fields that are absent stay; null removes what may be absent."""

    model_config = ConfigDict(extra="forbid")

    slug: _SLUG = Field(default_factory=str)
    name: _NAME = Field(default_factory=str)
    description: Annotated[str, Text(multiline=True, max_length=1000)] | None = None
    external_id: Annotated[str, Text(help="The id in the campus directory.")] | None = None
    rule: dict[str, Any] | None = Field(
        default=None,
        description="Attributes with the values that they may have. All must match. `not` holds "
        "a rule that must not, `any` rules of which one must.",
        examples=[{"programme": ["L3-INFO"], "not": {"campus": ["Sud"]}}],
    )
    joinable: StrictBool = Field(
        default_factory=bool, description="Whether people join and leave it themselves: a topic."
    )
    kind: str | None = Field(
        default=None, description="The kind of a topic's notifications: for others, it is not used."
    )
    cost_centre: str | None = Field(
        default=None,
        max_length=100,
        description="The slug of who pays for the SMS that its members send.",
        examples=["library"],
    )


class GroupIn(GroupChange):
    """A new group, without members."""

    slug: _SLUG
    name: _NAME


class GroupOut(BaseModel):
    """A group. `owner` is the id of whoever created it."""

    id: UUID
    slug: str
    name: str
    description: str | None
    external_id: str | None
    owner: str | None
    rule: dict[str, Any] | None
    joinable: bool
    kind: str | None
    cost_centre: str | None
    created_at: Time


def groups_router(
    groups: Groups,
    centres: CostCentres,
    kinds: Collection[str],
    max_request_bytes: int,
    slices: TimeSlices,
) -> APIRouter:
    """Return the endpoints of `/v1/groups`. `kinds` are all that a topic can have."""
    router = APIRouter(prefix="/v1/groups", tags=["people"])

    async def fields_of(request: Request, model: type[GroupChange]) -> dict[str, Any]:
        wanted = await read_model(request, model, max_request_bytes, slices)
        if wanted.kind is not None and wanted.kind not in kinds:
            detail = f"unknown kind; expected one of {', '.join(kinds)}"
            detail += did_you_mean(wanted.kind, kinds)
            raise InvalidInput([FieldError("/kind", "unknown_kind", detail)])
        given = wanted.model_dump(exclude_unset=True)
        if "cost_centre" in given:
            given["cost_centre"] = await centres.id_of(wanted.cost_centre)
        return given

    async def shown(*found: Group) -> list[dict[str, Any]]:
        slugs = await centres.slugs() if any(group.cost_centre for group in found) else {}
        return [
            {field.name: getattr(group, field.name) for field in record_fields(group)}
            | {"cost_centre": slugs.get(group.cost_centre)}
            for group in found
        ]

    @router.post(
        "",
        status_code=201,
        summary="Create a group",
        description="Slugs and external ids are unique.",
        response_model=GroupOut,
        responses=problems(409),
        openapi_extra={"requestBody": body_of(GroupIn)},
    )
    async def create_group(request: Request, response: Response, principal: PeopleManager) -> Any:
        fields = await fields_of(request, GroupIn)
        group = await groups.create(actor_of(request, principal), fields)
        response.headers["Location"] = link(f"/v1/groups/{group.id}")
        return (await shown(group))[0]

    @router.get(
        "", summary="List groups", description="Newest first.", response_model=Page[GroupOut]
    )
    async def list_groups(
        _: PeopleManager,
        search: Annotated[
            str | None,
            Query(max_length=200, description="Part of a slug, a name or an external id."),
        ] = None,
        joinable: bool | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> records.Page[dict[str, Any]]:
        found = await groups.page(GroupFilter(search, joinable), limit=limit, cursor=cursor)
        return records.Page(await shown(*found.items), found.next)

    @router.get(
        "/{id}",
        summary="Get a group",
        description="The group as the list shows it.",
        response_model=GroupOut,
    )
    async def get_group(id: GroupPath, _: PeopleManager) -> Any:
        return (await shown(await groups.find_named(id)))[0]

    @router.patch(
        "/{id}",
        summary="Change a group",
        description="It keeps its slug while a notification names it that is not fanned out yet.",
        response_model=GroupOut,
        responses=problems(409),
        openapi_extra={"requestBody": body_of(GroupChange)},
    )
    async def change_group(id: GroupPath, request: Request, principal: PeopleManager) -> Any:
        fields = await fields_of(request, GroupChange)
        group = await groups.find_named(id)
        changed = await groups.change(actor_of(request, principal), group.id, fields)
        return (await shown(changed))[0]

    @router.delete(
        "/{id}",
        status_code=204,
        summary="Remove a group",
        description="Its people stay, and groups that it was in are without them. It cannot be "
        "removed while a notification names it that is not fanned out yet.",
        responses=problems(409),
    )
    async def remove_group(id: GroupPath, request: Request, principal: PeopleManager) -> None:
        group = await groups.find_named(id)
        await groups.remove(actor_of(request, principal), group.id)

    return router
