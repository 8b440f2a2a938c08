"""People, as recipients, and the groups that audiences name, in SQL."""

import json
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, func, not_, or_, select

from flashnotify.archive.identity_models import User
from flashnotify.archive.models import Device
from flashnotify.archive.people_models import Group as GroupRow
from flashnotify.archive.people_models import Membership, Subgroup
from flashnotify.archive.people_models import Preferences as PreferencesRow
from flashnotify.archive.people_records import AudienceSlice, Group, Person, Preferences
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.audiences import People, has_id, slugs_in, topic_channels
from flashnotify.archive.sql.preferences import preferences_of
from flashnotify.archive.sql.reading import recorded, strings
from flashnotify.domain import GROUP, Address, AudienceEntry, names_group, names_user

# A JSON array of a person's devices, as hexadecimal.
_devices = (
    select(func.json_group_array(func.hex(Device.id)))
    .where(Device.user_id == User.id)
    .scalar_subquery()
    .label("devices")
)
# In the order of the record's fields.
_FIELDS = (
    *("external_id", "first_name", "last_name"),
    *("email", "phone", "locale", "timezone", "attributes"),
)
_people = select(
    *(User.id, User.name, (User.active == 1).label("active")),
    *(User.__table__.c[name] for name in _FIELDS),
    _devices,
    *(PreferencesRow.kinds, PreferencesRow.quiet_hours, PreferencesRow.digest),
).outerjoin(PreferencesRow, PreferencesRow.user_id == User.id)
_WIDTH = len(_people.selected_columns)
# Those that are as the record has them; then come three that are decoded.
_PLAIN = _WIDTH - 5
_NONE_CHOSEN = Preferences()
# Memberships that are looked up one by one, rather than all people.
_FEW = 2000
_size = (
    select(func.count())
    .select_from(
        select(Membership.user_id)
        .where(Membership.group_id == GroupRow.id)
        .correlate(GroupRow)
        .limit(_FEW + 1)
        .subquery()
    )
    .scalar_subquery()
    .label("size")
)


class SqlDirectory(Access):
    """Implements `Directory`."""

    async def people(self, ids: Collection[UUID]) -> Mapping[UUID, Person]:
        query = _people.where(User.id.in_(ids))
        return {found.id: found for found in await self._reader.records(query, {}, _person)}

    async def identified(self, external_ids: Collection[str]) -> Mapping[str, UUID]:
        query = select(User.external_id, User.id).where(User.external_id.in_(external_ids))
        return {row.external_id: row.id for row in await self._reader.all(query, {})}

    async def groups(self, slugs: Collection[str]) -> Mapping[str, Group]:
        query = select(GroupRow.__table__).where(GroupRow.slug.in_(slugs))
        return {found.slug: found for found in await self._reader.records(query, {}, group_of)}

    async def audience(
        self, entries: Sequence[AudienceEntry], kind: str, after: UUID | None, limit: int
    ) -> AsyncGenerator[AudienceSlice]:
        query, record = await self._members(entries, kind)
        query = query.where(User.id > bindparam("after")).order_by(User.id).limit(limit)
        last, finished = after, False
        while not finished:
            rows = await self._reader.rows(query, {"after": last or UUID(int=0)})
            last = next((row.id for row in reversed(rows) if row is not None), last)
            finished = len(rows) < limit
            yield AudienceSlice(await recorded(rows, record), last, finished)

    async def _members(
        self, entries: Sequence[AudienceEntry], kind: str
    ) -> tuple[Select[Any], Callable[[Row[Any]], Person]]:
        """Return the query for the people in entries, and what makes records of its rows."""
        people = await self._people_of(entries)
        few, topics = people.candidates(entries), people.topics(entries, kind)
        query = _people.where(User.active == 1, people.among(entries) if few is None else few)
        if not topics:
            return query, _person
        slugs = {f"{GROUP}:{topic.slug}" for topic in topics}
        others = people.among([entry for entry in entries if entry not in slugs])
        return query.add_columns(topic_channels(topics), others), _topic_member

    async def reached_by(
        self, entries: Sequence[AudienceEntry], addresses: Collection[Address]
    ) -> Collection[Address]:
        emails = [a.value.lower() for a in addresses if a.scheme == "mailto"]
        phones = [a.value for a in addresses if a.scheme == "tel"]
        people = await self._people_of(entries)
        held = or_(func.lower(User.email).in_(emails), User.phone.in_(phones))
        query = select(func.lower(User.email).label("email"), User.phone)
        rows = await self._reader.all(
            query.where(User.active == 1, held, people.among(entries)), {}
        )
        found = {("mailto", row.email) for row in rows} | {("tel", row.phone) for row in rows}
        return {a for a in addresses if (a.scheme, a.value.lower()) in found}

    async def count(self, entries: Sequence[AudienceEntry]) -> int:
        # Those who are named need no look: the number is a bound.
        users = [str(entry).partition(":")[2] for entry in entries if names_user(entry)]
        groups = [entry for entry in entries if names_group(entry)]
        if not groups:
            return len(users)
        people = await self._people_of(groups)
        few = people.candidates(groups)
        query = select(func.count()).select_from(User).where(User.active == 1)
        query = query.where(people.among(groups) if few is None else few)
        if users:
            query = query.where(not_(has_id(users)))
        number: int = await self._lists.value(query)
        return len(users) + number

    async def _people_of(self, entries: Sequence[AudienceEntry]) -> People:
        """Return what makes conditions of entries, with the groups that they name.

        Each of these comes with all groups below it.
        """
        slugs = slugs_in(entries)
        if not slugs:
            return People({}, None)
        below = _below(slugs)
        query = select(GroupRow.__table__, below.c.top, _size).join(
            below, below.c.group_id == GroupRow.id
        )
        groups: dict[str, list[Group]] = {}
        members = 0
        for top, size, group in await self._reader.records(query, {}, _within):
            groups.setdefault(top, []).append(group)
            members += size
        return People(groups, members if members <= _FEW else None)


def _below(slugs: Collection[str]) -> Any:
    """Return all groups below those with these slugs, and themselves. A cycle ends, by UNION."""
    first = select(GroupRow.slug.label("top"), GroupRow.id.label("group_id"))
    groups = first.where(GroupRow.slug.in_(slugs)).cte("below", recursive=True)
    children: Select[Any] = select(groups.c.top, Subgroup.child_id).join_from(
        groups, Subgroup, Subgroup.group_id == groups.c.group_id
    )
    return groups.union(children)


def _within(row: Row[Any]) -> tuple[str, int, Group]:
    """Return the slug of a group, and the size and the record of a group below it."""
    return row.top, row.size, group_of(row)


def group_of(row: Row[Any]) -> Group:
    """Return the group of a row with all of its columns."""
    rule = json.loads(row.rule) if row.rule is not None else None
    columns = {column.name: row._mapping[column.name] for column in GroupRow.__table__.columns}
    return Group(**{**columns, "rule": rule, "joinable": bool(row.joinable)})


def _person(row: Row[Any]) -> Person:
    # By position: there may be tens of thousands.
    attributes, devices, kinds = row[_PLAIN : _PLAIN + 3]
    values: tuple[Any, ...] = (
        *row[:_PLAIN],
        {} if attributes == "{}" else json.loads(attributes),
        () if devices == "[]" else tuple(map(UUID, json.loads(devices))),
        _NONE_CHOSEN if kinds is None else preferences_of(row),
    )
    return Person(*values)


def _topic_member(row: Row[Any]) -> Person:
    """Return a person with the channels of the topics, if all that reach them have some."""
    person, (chosen, others) = _person(row), row[_WIDTH:]
    channels = json.loads(chosen)
    if others or not channels or None in channels:
        return person
    return replace(person, topic_channels=frozenset(chain.from_iterable(map(strings, channels))))
