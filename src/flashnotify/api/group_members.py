"""`/v1/groups/{id}/members` and `/subgroups`: who is in a group."""

from collections.abc import Collection, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from flashnotify.api.auth import PeopleManager, actor_of
from flashnotify.api.bodies import body_of, read_model
from flashnotify.api.fields import Cursor, Limit, Page, Time, read_from
from flashnotify.api.groups import GroupOut, GroupPath
from flashnotify.api.problems import problems
from flashnotify.archive import records
from flashnotify.archive.people_ports import Directory
from flashnotify.archive.people_records import Group, Member, MembershipSource
from flashnotify.errors import FieldError, InvalidInput, NotFound
from flashnotify.people.groups import Groups
from flashnotify.people.names import ids_of
from flashnotify.time_slices import TimeSlices

_MAX_MEMBERS = 10_000
_Name = Annotated[str, Field(min_length=1, max_length=255)]
UserPath = Annotated[str, Path(max_length=255, description="The id or external id of a user.")]
# Mistakes that one answer shows.
_SHOWN = 100


class MembersIn(BaseModel):
    """People to add to a group."""

    model_config = ConfigDict(extra="forbid")

    members: list[_Name] = Field(
        max_length=_MAX_MEMBERS,
        description="Ids and external ids of users.",
        examples=[["etu12345", "01939f5e-7a2b-7c1d-8e3f-123456789abc"]],
    )


class SubgroupsIn(BaseModel):
    """The groups that are in a group, and no others."""

    model_config = ConfigDict(extra="forbid")

    groups: list[_Name] = Field(max_length=200, description="Ids and slugs of groups.")


class AddedOut(BaseModel):
    """How many people were added, and how many were in the group already."""

    added: int
    already: int


class MemberOut(BaseModel):
    """A member of a group. `source` tells who says so; `channels` are those of a topic."""

    id: Annotated[UUID, read_from("membership", "user_id")]
    name: str
    external_id: str | None
    active: bool
    source: Annotated[MembershipSource, read_from("membership", "source")]
    channels: Annotated[list[str] | None, read_from("membership", "channels")]
    since: Annotated[Time, read_from("membership", "since")]


def members_router(
    groups: Groups, directory: Directory, max_request_bytes: int, slices: TimeSlices
) -> APIRouter:
    """Return the endpoints for who is in a group."""
    router = APIRouter(prefix="/v1/groups/{id}", tags=["people"])

    @router.get(
        "/members",
        summary="List the members of a group",
        description="Those whom a rule or a subgroup brings are not members: "
        "`POST /v1/audience/preview` counts all.",
        response_model=Page[MemberOut],
    )
    async def list_members(
        id: GroupPath, _: PeopleManager, limit: Limit = 50, cursor: Cursor = None
    ) -> records.Page[Member]:
        group = await groups.find_named(id)
        return await groups.members(group.id, limit=limit, cursor=cursor)

    @router.post(
        "/members",
        summary="Add members to a group",
        description="Up to 10,000 at once. If one of them is nobody, none is added. If the answer "
        "does not come, send it again: whoever is in the group stays as they are.",
        openapi_extra={"requestBody": body_of(MembersIn)},
    )
    async def add_members(id: GroupPath, request: Request, principal: PeopleManager) -> AddedOut:
        wanted = await read_model(request, MembersIn, max_request_bytes, slices)
        group = await groups.find_named(id)
        ids = await ids_of(directory, dict.fromkeys(wanted.members))
        _refuse_unknown(
            wanted.members, ids, "members", "unknown_user", "is nobody in the directory"
        )
        people = set(ids.values())
        added = await groups.add_members(actor_of(request, principal), group.id, people)
        return AddedOut(added=added, already=len(people) - added)

    @router.put(
        "/members/{user}",
        status_code=204,
        summary="Add a member to a group",
        description="Whoever is a member already stays one.",
    )
    async def add_member(
        id: GroupPath, user: UserPath, request: Request, principal: PeopleManager
    ) -> None:
        group, person = await groups.find_named(id), await person_of(user)
        await groups.add_members(actor_of(request, principal), group.id, [person])

    @router.delete(
        "/members/{user}",
        status_code=204,
        summary="Remove a member from a group",
        description="Whom a rule or a subgroup brings is still in the group.",
    )
    async def remove_member(
        id: GroupPath, user: UserPath, request: Request, principal: PeopleManager
    ) -> None:
        group, person = await groups.find_named(id), await person_of(user)
        if not await groups.remove_members(actor_of(request, principal), group.id, [person]):
            raise NotFound("This user is not a member of the group.")

    @router.get(
        "/subgroups",
        summary="List the groups in a group",
        description="Those directly in it.",
        response_model=Page[GroupOut],
    )
    async def list_subgroups(id: GroupPath, _: PeopleManager) -> records.Page[Group]:
        group = await groups.find_named(id)
        return records.Page(await groups.subgroups(group.id), None)

    @router.put(
        "/subgroups",
        summary="Set the groups in a group",
        description="All of their people are in the group, too. Groups nest up to 5 deep, and none "
        "can be in itself.",
        response_model=Page[GroupOut],
        responses=problems(409),
        openapi_extra={"requestBody": body_of(SubgroupsIn)},
    )
    async def set_subgroups(
        id: GroupPath, request: Request, principal: PeopleManager
    ) -> records.Page[Group]:
        wanted = await read_model(request, SubgroupsIn, max_request_bytes, slices)
        group = await groups.find_named(id)
        children = {name: found.id for name in wanted.groups if (found := await known(name))}
        _refuse_unknown(wanted.groups, children, "groups", "unknown_group", "is no group")
        await groups.set_subgroups(actor_of(request, principal), group.id, children.values())
        return records.Page(await groups.subgroups(group.id), None)

    async def known(name: str) -> Group | None:
        try:
            return await groups.find_named(name)
        except NotFound:
            return None

    async def person_of(name: str) -> UUID:
        ids = await ids_of(directory, [name])
        if name not in ids:
            raise NotFound("No user has this id or external id.")
        return ids[name]

    return router


def _refuse_unknown(
    names: Sequence[str], known: Collection[str], field: str, code: str, detail: str
) -> None:
    """Raise `InvalidInput` with a pointer for each name that nobody has."""
    errors = [
        FieldError(f"/{field}/{index}", code, detail)
        for index, name in enumerate(names)
        if name not in known
    ]
    if errors:
        raise InvalidInput(errors[:_SHOWN])
