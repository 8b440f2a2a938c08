"""Users, in SQL."""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, select

from flashnotify.archive.identity_models import User as Table
from flashnotify.archive.identity_records import AuditEntry, User, UserFilter
from flashnotify.archive.records import Page
from flashnotify.archive.sql.access import Access, matching
from flashnotify.archive.sql.audit import added
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, update_row
from flashnotify.archive.sql.changes import Row as Values
from flashnotify.archive.sql.lists import Span
from flashnotify.archive.sql.reading import known, strings
from flashnotify.domain import Role

# In the order of the record's fields: to unpack a row costs a third of asking for each column.
USER_COLUMNS = [Table.__table__.c[field.name] for field in fields(User)]
_all = select(*USER_COLUMNS)
_by_id = _all.where(Table.id == bindparam("wanted"))
_by_external_id = _all.where(Table.external_id == bindparam("wanted"))
_by_email = _all.where(func.lower(Table.email) == func.lower(bindparam("wanted")))
_admins = select(func.count()).where(Table.role == Role.admin, Table.active == 1)

ADD_USER = Statement(insert(Table), Stage.parents)
CHANGE_USER = update_row(Table)
REHASH = update_row(Table, Table.password_hash == bindparam("before"))


class SqlUsers(Access):
    """Implements `Users`."""

    async def add(self, user: User, entry: AuditEntry) -> None:
        await self._writer.write(add_user(user), added(entry))

    async def change(self, user: User, entry: AuditEntry) -> None:
        await self._writer.write(change_user(user), added(entry))

    async def rehash(self, id: UUID, before: str, after: str) -> None:
        await self._writer.write((REHASH, {"of": id, "before": before, "password_hash": after}))

    async def record_seen(self, id: UUID, now: int) -> None:
        await self._writer.write((CHANGE_USER, {"of": id, "last_seen_at": now}))

    async def find(self, id: UUID) -> User | None:
        return await self._reader.one(_by_id, {"wanted": id}, user_of)

    async def find_external(self, external_id: str) -> User | None:
        return await self._reader.one(_by_external_id, {"wanted": external_id}, user_of)

    async def find_email(self, email: str) -> User | None:
        return await self._reader.one(_by_email, {"wanted": email}, user_of)

    async def page(self, wanted: UserFilter, *, limit: int, cursor: str | None) -> Page[User]:
        active = None if wanted.active is None else int(wanted.active)
        conditions = matching((Table.role, wanted.role), (Table.active, active))
        if wanted.search is not None:
            part = wanted.search.lower()
            text = Table.name + " " + func.coalesce(Table.email, "")
            text = func.lower(text + " " + func.coalesce(Table.external_id, ""))
            conditions.append(text.contains(part, autoescape=True))
        ids, span = select(Table.id), Span.after(cursor)
        return await self._lists.filtered_page(_all, ids, conditions, limit, span, user_of)

    async def admins(self) -> int:
        number: int = await self._reader.value(_admins)
        return number

    async def any(self) -> bool:
        return await self._reader.value(select(Table.id).limit(1)) is not None


def add_user(user: User) -> Change:
    """Return the change that adds a user."""
    return ADD_USER, _values(user)


def change_user(user: User) -> Change:
    """Return the change that stores all of a known user but when they were last seen."""
    values = {k: v for k, v in _values(user).items() if k not in ("id", "last_seen_at")}
    return CHANGE_USER, {"of": user.id, **values}


def _values(user: User) -> Values:
    encoded = {
        "kinds": json.dumps(sorted(user.kinds)),
        "active": int(user.active),
        "attributes": json.dumps(dict(user.attributes)),
    }
    return row_of(user) | encoded


def user_of(row: Row[Any]) -> User:
    """Return the user of a row that begins with `USER_COLUMNS`."""
    values = [*row[: len(USER_COLUMNS)]]
    for index, decode in _DECODED:
        values[index] = decode(values[index])
    return User(*values)


def _decoded() -> Iterator[tuple[int, Callable[[Any], Any]]]:
    """Yield the places of values that are stored in another form, and what decodes each."""
    decoded: dict[str, Callable[[Any], Any]] = {
        # One whose role this version does not know may do nothing but be seen.
        "role": lambda stored: known(Role, stored, Role.service),
        "kinds": lambda stored: frozenset(strings(stored)),
        "active": bool,
        "attributes": json.loads,
    }
    for index, column in enumerate(USER_COLUMNS):
        if column.name in decoded:
            yield index, decoded[column.name]


_DECODED = tuple(_decoded())
