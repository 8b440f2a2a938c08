"""People, as recipients, and the groups that audiences name, in SQL."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, or_, select

from flashnotify.archive.identity_models import User
from flashnotify.archive.models import Device
from flashnotify.archive.people_models import Group as GroupRow
from flashnotify.archive.people_models import Preferences as PreferencesRow
from flashnotify.archive.people_models import Subgroup
from flashnotify.archive.people_records import Group, Person
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.audiences import People, slugs_in
from flashnotify.archive.sql.preferences import preferences_of
from flashnotify.domain import Address, AudienceEntry

# A JSON array of a person's devices, as hexadecimal.
_devices = (
    select(func.json_group_array(func.hex(Device.id)))
    .where(Device.user_id == User.id)
    .scalar_subquery()
    .label("devices")
)
_FIELDS = (
    *("id", "name", "external_id", "first_name", "last_name"),
    *("email", "phone", "locale", "timezone"),
)
_people = select(
    *(User.__table__.c[name] for name in _FIELDS),
    *(User.active, User.attributes, _devices),
    *(PreferencesRow.kinds, PreferencesRow.quiet_hours, PreferencesRow.digest),
).outerjoin(PreferencesRow, PreferencesRow.user_id == User.id)


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
        self, entries: Sequence[AudienceEntry], after: UUID | None, limit: int
    ) -> Sequence[Person]:
        people = await self._people_of(entries)
        query = _people.where(User.active == 1, people.among(entries))
        if after is not None:
            query = query.where(User.id > after)
        return await self._reader.records(query.order_by(User.id).limit(limit), {}, _person)

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
        people = await self._people_of(entries)
        query = select(func.count()).select_from(User).where(User.active == 1)
        number: int = await self._lists.value(query.where(people.among(entries)))
        return number

    async def _people_of(self, entries: Sequence[AudienceEntry]) -> People:
        """Return what makes conditions of entries, with the groups that they name."""
        return People(await self._closures(slugs_in(entries)))

    async def _closures(self, slugs: Collection[str]) -> Mapping[str, Sequence[Group]]:
        """Return the groups with these slugs, each with all groups below it."""
        if not slugs:
            return {}
        below = _below(slugs)
        query = select(GroupRow.__table__, below.c.top).join(below, below.c.group_id == GroupRow.id)
        closures: dict[str, list[Group]] = {}
        for top, group in await self._reader.records(query, {}, lambda r: (r.top, group_of(r))):
            closures.setdefault(top, []).append(group)
        return closures


def _below(slugs: Collection[str]) -> Any:
    """Return all groups below those with these slugs, and themselves. A cycle ends, by UNION."""
    first = select(GroupRow.slug.label("top"), GroupRow.id.label("group_id"))
    groups = first.where(GroupRow.slug.in_(slugs)).cte("below", recursive=True)
    children: Select[Any] = select(groups.c.top, Subgroup.child_id).join_from(
        groups, Subgroup, Subgroup.group_id == groups.c.group_id
    )
    return groups.union(children)


def group_of(row: Row[Any]) -> Group:
    """Return the group of a row with all of its columns."""
    rule = json.loads(row.rule) if row.rule is not None else None
    columns = {column.name: row._mapping[column.name] for column in GroupRow.__table__.columns}
    return Group(**{**columns, "rule": rule, "joinable": bool(row.joinable)})


def _person(row: Row[Any]) -> Person:
    values = {name: row._mapping[name] for name in _FIELDS}
    return Person(
        **values,
        active=bool(row.active),
        attributes=json.loads(row.attributes),
        devices=tuple(UUID(hex=device) for device in json.loads(row.devices)),
        preferences=preferences_of(row),
    )
