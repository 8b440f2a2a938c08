"""Groups, who is in them, and which are in others, in SQL."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, delete, func, insert, literal, or_, select

from flashnotify.archive.identity_models import User
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.models import JobRow, Notification
from flashnotify.archive.people_models import Group as Table
from flashnotify.archive.people_models import Membership as MembershipRow
from flashnotify.archive.people_models import Subgroup
from flashnotify.archive.people_records import (
    Group,
    GroupFilter,
    Member,
    Membership,
    MembershipSource,
)
from flashnotify.archive.records import Page
from flashnotify.archive.sql.access import Access, matching
from flashnotify.archive.sql.audit import added as recorded
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, update_row, upsert
from flashnotify.archive.sql.changes import Row as Values
from flashnotify.archive.sql.directory import group_of
from flashnotify.archive.sql.lists import Span
from flashnotify.archive.sql.reading import strings
from flashnotify.domain import GROUP

_all = select(Table.__table__)
_memberships = select(MembershipRow.__table__)
_members = select(
    *(MembershipRow.user_id.label("id"), *MembershipRow.__table__.c),
    *(User.name, User.external_id, User.active),
).join(User, User.id == MembershipRow.user_id)

ADD_GROUP = Statement(insert(Table), Stage.parents)
CHANGE_GROUP = update_row(Table)
REMOVE_GROUP = Statement(delete(Table).where(Table.id == bindparam("of")), Stage.joining)
PUT_MEMBER = upsert(MembershipRow, Stage.children, replace=["channels"])
_in_group = MembershipRow.group_id == bindparam("of")
REMOVE_MEMBER = Statement(
    delete(MembershipRow).where(_in_group, MembershipRow.user_id == bindparam("user")),
    Stage.endings,
)
REMOVE_MEMBERS = Statement(delete(MembershipRow).where(_in_group), Stage.endings)
ADD_SUBGROUP = upsert(Subgroup, Stage.children)
REMOVE_SUBGROUP = Statement(
    delete(Subgroup).where(
        Subgroup.group_id == bindparam("of"), Subgroup.child_id == bindparam("child")
    ),
    Stage.endings,
)
REMOVE_SUBGROUPS = Statement(
    delete(Subgroup).where(
        or_(Subgroup.group_id == bindparam("of"), Subgroup.child_id == bindparam("of"))
    ),
    Stage.endings,
)


class SqlGroups(Access):
    """Implements `Groups`."""

    async def add(self, group: Group, entry: AuditEntry) -> None:
        await self._writer.write(add_group(group), recorded(entry))

    async def change(self, group: Group, entry: AuditEntry) -> None:
        values = {name: value for name, value in _values(group).items() if name != "id"}
        await self._writer.write((CHANGE_GROUP, {"of": group.id, **values}), recorded(entry))

    async def remove(self, id: UUID, entry: AuditEntry) -> None:
        statements = (REMOVE_MEMBERS, REMOVE_SUBGROUPS, REMOVE_GROUP)
        await self._writer.write(*((each, {"of": id}) for each in statements), recorded(entry))

    async def find(self, id: UUID) -> Group | None:
        return await self._reader.one(_all.where(Table.id == id), {}, group_of)

    async def find_slug(self, slug: str) -> Group | None:
        return await self._reader.one(_all.where(Table.slug == slug), {}, group_of)

    async def find_external(self, external_id: str) -> Group | None:
        return await self._reader.one(_all.where(Table.external_id == external_id), {}, group_of)

    async def page(self, wanted: GroupFilter, *, limit: int, cursor: str | None) -> Page[Group]:
        joinable = None if wanted.joinable is None else int(wanted.joinable)
        conditions = matching((Table.joinable, joinable))
        if wanted.search is not None:
            text = Table.slug + " " + Table.name + " " + func.coalesce(Table.external_id, "")
            part = wanted.search.lower()
            conditions.append(func.lower(text).contains(part, autoescape=True))
        ids, span = select(Table.id), Span.after(cursor)
        return await self._lists.filtered_page(_all, ids, conditions, limit, span, group_of)

    async def members(self, id: UUID, *, limit: int, cursor: str | None) -> Page[Member]:
        query = _members.where(MembershipRow.group_id == id)
        ids = select(MembershipRow.user_id.label("id")).where(MembershipRow.group_id == id)
        return await self._lists.filtered_page(query, ids, [], limit, Span.after(cursor), _member)

    async def members_among(
        self, id: UUID, user_ids: Collection[UUID]
    ) -> Mapping[UUID, Membership]:
        query = _memberships.where(
            MembershipRow.group_id == id, MembershipRow.user_id.in_(user_ids)
        )
        return {each.user_id: each for each in await self._reader.records(query, {}, membership_of)}

    async def of_user(self, user_id: UUID) -> Sequence[tuple[Group, Membership]]:
        own = MembershipRow.user_id == user_id
        groups = _all.join(MembershipRow, MembershipRow.group_id == Table.id).where(own)
        found = await self._reader.records(groups.order_by(Table.slug), {}, group_of)
        memberships = await self._reader.records(_memberships.where(own), {}, membership_of)
        by_group = {membership.group_id: membership for membership in memberships}
        return [(group, by_group[group.id]) for group in found if group.id in by_group]

    async def put_members(self, memberships: Sequence[Membership], entry: AuditEntry) -> None:
        puts = ((PUT_MEMBER, membership_values(each)) for each in memberships)
        await self._writer.write(*puts, recorded(entry))

    async def remove_members(self, id: UUID, user_ids: Collection[UUID], entry: AuditEntry) -> None:
        removals = ((REMOVE_MEMBER, {"of": id, "user": user}) for user in user_ids)
        await self._writer.write(*removals, recorded(entry))

    async def subgroups(self, id: UUID) -> Sequence[Group]:
        query = _all.join(Subgroup, Subgroup.child_id == Table.id).where(Subgroup.group_id == id)
        return await self._reader.records(query.order_by(Table.slug), {}, group_of)

    async def set_subgroups(
        self, id: UUID, added: Collection[UUID], removed: Collection[UUID], entry: AuditEntry
    ) -> None:
        adding = ((ADD_SUBGROUP, {"group_id": id, "child_id": child}) for child in added)
        removing = ((REMOVE_SUBGROUP, {"of": id, "child": child}) for child in removed)
        await self._writer.write(*adding, *removing, recorded(entry))

    async def below(self, ids: Collection[UUID], depth: int) -> Mapping[UUID, int]:
        return await self._distances(ids, depth, Subgroup.group_id, Subgroup.child_id)

    async def above(self, ids: Collection[UUID], depth: int) -> Mapping[UUID, int]:
        return await self._distances(ids, depth, Subgroup.child_id, Subgroup.group_id)

    async def _distances(
        self, ids: Collection[UUID], depth: int, near: Any, far: Any
    ) -> Mapping[UUID, int]:
        """Return how far groups are from some. A cycle ends at the depth."""
        start = select(Table.id, literal(0).label("distance")).where(Table.id.in_(ids))
        found = start.cte("found", recursive=True)
        step: Select[Any] = (
            select(far, found.c.distance + 1)
            .join_from(found, Subgroup, near == found.c.id)
            .where(found.c.distance < depth)
        )
        found = found.union(step)
        query = select(found.c.id, func.max(found.c.distance).label("distance"))
        rows = await self._reader.all(query.group_by(found.c.id), {})
        return {row.id: row.distance for row in rows}

    async def named_in(self, slug: str) -> UUID | None:
        query = (
            select(Notification.id)
            .join(JobRow, JobRow.notification_id == Notification.id)
            .where(JobRow.channel.is_(None))
            .where(func.instr(Notification.audience, json.dumps(f"{GROUP}:{slug}")) > 0)
        )
        found: UUID | None = await self._lists.value(query.limit(1))
        return found


def add_group(group: Group) -> Change:
    """Return the change that adds a group."""
    return ADD_GROUP, _values(group)


def _values(group: Group) -> Values:
    rule = None if group.rule is None else json.dumps(group.rule)
    return row_of(group) | {"rule": rule, "joinable": int(group.joinable)}


def membership_values(membership: Membership) -> Values:
    """Return a membership as a row."""
    channels = membership.channels
    stored = None if channels is None else json.dumps(sorted(channels))
    return row_of(membership) | {"channels": stored}


def membership_of(row: Row[Any]) -> Membership:
    """Return the membership of a row with all of its columns."""
    channels = None if row.channels is None else frozenset(strings(row.channels))
    source = MembershipSource(row.source)
    return Membership(row.group_id, row.user_id, source, row.since, channels)


def _member(row: Row[Any]) -> Member:
    return Member(membership_of(row), row.name, row.external_id, bool(row.active))
