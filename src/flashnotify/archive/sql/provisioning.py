"""What provisioning reads of people and groups, in SQL."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute

from flashnotify.archive.directory_filters import Condition, GroupTotals, Slice
from flashnotify.archive.identity_models import User as UserRow
from flashnotify.archive.identity_records import User
from flashnotify.archive.people_models import Group as GroupRow
from flashnotify.archive.people_models import Membership, Subgroup
from flashnotify.archive.people_records import Group
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.directory import group_of
from flashnotify.archive.sql.directory_filters import (
    group_field,
    matching_groups,
    matching_users,
    user_field,
)
from flashnotify.archive.sql.users import USER_COLUMNS, user_of

T = TypeVar("T")

_seen = select(*USER_COLUMNS).where(UserRow.deleted_at.is_(None))
_groups = select(GroupRow.__table__)


class SqlProvisioning(Access):
    """Implements `Provisioning`."""

    async def users(self, wanted: Condition, part: Slice) -> tuple[int, Sequence[User]]:
        query = _seen.where(matching_users(wanted))
        by = None if part.by is None else user_field(part.by)
        return await self._part(query, UserRow.id, by, part, user_of)

    async def groups(self, wanted: Condition, part: Slice) -> tuple[int, Sequence[Group]]:
        query = _groups.where(matching_groups(wanted))
        by = None if part.by is None else group_field(part.by)
        return await self._part(query, GroupRow.id, by, part, group_of)

    async def find_user(self, id: UUID) -> User | None:
        return await self._reader.one(_seen.where(UserRow.id == id), {}, user_of)

    async def deleted_users(
        self, user_name: str, external_id: str | None, email: str | None
    ) -> Sequence[User]:
        # Each condition has an index of its own.
        found = [func.lower(UserRow.user_name) == func.lower(user_name)]
        if external_id is not None:
            found.append(UserRow.external_id == external_id)
        if email is not None:
            found.append(func.lower(UserRow.email) == func.lower(email))
        ids = union_all(*(select(UserRow.id).where(condition) for condition in found))
        query = select(*USER_COLUMNS).where(UserRow.id.in_(ids), UserRow.deleted_at.is_not(None))
        return await self._reader.records(query.order_by(UserRow.id), {}, user_of)

    async def groups_of(self, ids: Collection[UUID]) -> Mapping[UUID, Sequence[Group]]:
        query = select(GroupRow.__table__, Membership.user_id.label("user"))
        query = query.join(Membership, Membership.group_id == GroupRow.id)
        query = query.where(Membership.user_id.in_(ids)).order_by(GroupRow.id)
        found: dict[UUID, list[Group]] = {}
        for id, group in await self._reader.records(query, {}, lambda r: (r.user, group_of(r))):
            found.setdefault(id, []).append(group)
        return found

    async def members(self, group_id: UUID, after: UUID | None, limit: int) -> Sequence[UUID]:
        query = select(Membership.user_id).join(UserRow, UserRow.id == Membership.user_id)
        query = query.where(Membership.group_id == group_id, UserRow.deleted_at.is_(None))
        if after is not None:
            query = query.where(Membership.user_id > after)
        query = query.order_by(Membership.user_id).limit(limit)
        return [row[0] for row in await self._reader.all(query, {})]

    async def totals(self, group_id: UUID) -> GroupTotals:
        number = select(func.count()).where(Membership.group_id == group_id)
        since = select(func.max(Membership.since)).where(Membership.group_id == group_id)
        below = select(func.count()).where(Subgroup.group_id == group_id)
        found = [await self._reader.value(query) for query in (number, since, below)]
        return GroupTotals(*found)

    async def known(self, ids: Collection[UUID]) -> tuple[set[UUID], set[UUID]]:
        people = select(UserRow.id, literal(0).label("group")).where(
            UserRow.id.in_(ids), UserRow.deleted_at.is_(None)
        )
        groups = select(GroupRow.id, literal(1).label("group")).where(GroupRow.id.in_(ids))
        rows = await self._reader.all(union_all(people, groups), {})
        found: tuple[set[UUID], set[UUID]] = (set(), set())
        for row in rows:
            found[row.group].add(row.id)
        return found

    async def _part(
        self,
        query: Select[Any],
        id: InstrumentedAttribute[UUID],
        by: ColumnElement[Any] | None,
        part: Slice,
        record: Callable[[Row[Any]], T],
    ) -> tuple[int, Sequence[T]]:
        """Return how many rows match, and a slice of them."""
        order: list[Any] = [id]
        if by is not None:
            value = func.lower(by)
            order = [value.desc().nulls_first() if part.descending else value.nulls_last(), id]
        shown = query.order_by(*order).offset(part.offset).limit(part.limit)
        found = await self._lists.records(shown, {}, record) if part.limit else []
        if 0 < len(found) < part.limit:
            return part.offset + len(found), found
        ids = query.with_only_columns(id).subquery()
        total: int = await self._lists.value(select(func.count()).select_from(ids))
        return total, found
