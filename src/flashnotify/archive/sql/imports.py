"""People of the campus directory, many at once, in SQL."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, func, insert, or_, select

from flashnotify.archive.identity_models import User as Table
from flashnotify.archive.identity_records import AuditEntry, User
from flashnotify.archive.people_models import Group
from flashnotify.archive.people_models import Membership as MembershipRow
from flashnotify.archive.people_records import MembershipSource, PeopleSlice
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.audit import added
from flashnotify.archive.sql.changes import Stage, Statement
from flashnotify.archive.sql.groups import add_group, membership_values
from flashnotify.archive.sql.users import USER_COLUMNS, add_user, change_user, user_of
from flashnotify.archive.write_lanes import WriteLane

_all = select(*USER_COLUMNS)
# A JSON array of the slugs of a person's groups.
_slugs = (
    select(func.json_group_array(Group.slug))
    .join(MembershipRow, MembershipRow.group_id == Group.id)
    .where(MembershipRow.user_id == Table.id)
    .scalar_subquery()
    .label("groups")
)
# Not in the stage of users, which memberships refer to.
JOIN_GROUP = Statement(insert(MembershipRow), Stage.children)
LEAVE_GROUP = Statement(
    delete(MembershipRow).where(
        MembershipRow.group_id == bindparam("group"), MembershipRow.user_id == bindparam("person")
    ),
    Stage.changes,
)


class SqlImports(Access):
    """Implements `Imports`."""

    async def matching(
        self, external_ids: Collection[str], emails: Collection[str]
    ) -> Sequence[User]:
        lower = [email.lower() for email in emails]
        held = or_(Table.external_id.in_(external_ids), func.lower(Table.email).in_(lower))
        return await self._reader.records(_all.where(held), {}, user_of)

    async def memberships(
        self, user_ids: Collection[UUID]
    ) -> Mapping[UUID, Mapping[UUID, MembershipSource]]:
        if not user_ids:
            return {}
        query = select(MembershipRow.user_id, MembershipRow.group_id, MembershipRow.source)
        found: dict[UUID, dict[UUID, MembershipSource]] = {}
        for row in await self._reader.all(query.where(MembershipRow.user_id.in_(user_ids)), {}):
            found.setdefault(row.user_id, {})[row.group_id] = MembershipSource(row.source)
        return found

    async def imported(self, after: UUID | None, limit: int) -> Sequence[User]:
        query = _all.where(Table.imported_at.is_not(None), Table.active == 1)
        return await self._reader.records(_from(query, after, limit), {}, user_of)

    async def all(self, after: UUID | None, limit: int) -> Sequence[tuple[User, Sequence[str]]]:
        query = _from(select(*USER_COLUMNS, _slugs), after, limit)
        return await self._lists.records(query, {}, _with_groups)

    async def store(self, change: PeopleSlice, entries: Sequence[AuditEntry]) -> None:
        changes = [
            *map(add_group, change.groups),
            *map(add_user, change.added),
            *map(change_user, change.changed),
            *((JOIN_GROUP, membership_values(each)) for each in change.joined),
            *((LEAVE_GROUP, {"group": group, "person": person}) for group, person in change.left),
            *map(added, entries),
        ]
        await self._writer.write(*changes, lane=WriteLane.long_answer)


def _from(query: Any, after: UUID | None, limit: int) -> Any:
    rest = query if after is None else query.where(Table.id > after)
    return rest.order_by(Table.id).limit(limit)


def _with_groups(row: Row[Any]) -> tuple[User, Sequence[str]]:
    return user_of(row), sorted(json.loads(row.groups))
