"""The messages of the in-app channel, in SQL."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, bindparam, delete, func, literal_column, select, update

from flashnotify.archive.people_models import InboxMessage as Table
from flashnotify.archive.people_records import InboxMessage
from flashnotify.archive.records import Page
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.changes import Stage, Statement
from flashnotify.archive.sql.lists import Span, cursor_of
from flashnotify.domain import Priority

_NAMES = [field.name for field in fields(InboxMessage)]
_messages = select(Table.number, *(Table.__table__.c[name] for name in _NAMES))
# The literal lets SQLite use the partial index.
_unread: ColumnElement[bool] = literal_column("read_at IS NULL")
_own = Table.user_id == bindparam("user")
_mark = update(Table).where(_own, _unread).values(read_at=bindparam("now"))
_upto = select(Table.number).where(Table.id == bindparam("of")).scalar_subquery()
MARK_READ = Statement(_mark.where(Table.id == bindparam("of")), Stage.changes)
MARK_UPTO_READ = Statement(_mark.where(Table.number <= _upto), Stage.changes)
MARK_ALL_READ = Statement(_mark, Stage.changes)
REMOVE_MESSAGE = Statement(delete(Table).where(Table.id == bindparam("of"), _own), Stage.endings)


class SqlInbox(Access):
    """Implements `Inbox`."""

    async def page(
        self, user_id: UUID, *, unread: bool, limit: int, cursor: str | None
    ) -> Page[InboxMessage]:
        query = _messages.where(Table.user_id == user_id)
        if unread:
            query = query.where(_unread)
        # Cursors are ids elsewhere.
        if (before := Span.after(cursor).before) is not None:
            query = query.where(Table.number < min(before.int, 2**62))
        query = query.order_by(Table.number.desc()).limit(limit + 1)
        found = await self._lists.records(query, {}, _numbered)
        shown = found[:limit]
        more = cursor_of(UUID(int=shown[-1][0])) if len(found) > limit else None
        return Page([message for _, message in shown], more)

    async def unread(self, user_id: UUID) -> int:
        own = select(func.count()).select_from(Table).where(Table.user_id == user_id, _unread)
        number: int = await self._lists.value(own)
        return number

    async def find(self, user_id: UUID, id: UUID) -> InboxMessage | None:
        query = _messages.where(Table.id == id, Table.user_id == user_id)
        found = await self._lists.one(query, {}, _numbered)
        return None if found is None else found[1]

    async def mark_read(self, user_id: UUID, id: UUID, now: int) -> None:
        await self._writer.write((MARK_READ, {"user": user_id, "of": id, "now": now}))

    async def mark_all_read(self, user_id: UUID, upto: UUID | None, now: int) -> None:
        row = {"user": user_id, "now": now}
        change = (MARK_ALL_READ, row) if upto is None else (MARK_UPTO_READ, row | {"of": upto})
        await self._writer.write(change)

    async def remove(self, user_id: UUID, id: UUID) -> None:
        await self._writer.write((REMOVE_MESSAGE, {"of": id, "user": user_id}))

    async def last(self) -> int:
        return await self._lists.value(select(func.max(Table.number))) or 0

    async def recipients(self, after: int, limit: int) -> Sequence[tuple[int, UUID]]:
        query = select(Table.number, Table.user_id).where(Table.number > after)
        rows = await self._lists.all(query.order_by(Table.number).limit(limit), {})
        return [(row.number, row.user_id) for row in rows]

    async def arrived(
        self, user_id: UUID, after: int, limit: int
    ) -> Sequence[tuple[int, InboxMessage]]:
        query = _messages.where(Table.user_id == user_id, Table.number > after)
        return await self._lists.records(query.order_by(Table.number).limit(limit), {}, _numbered)

    def on_commit(self, call: Callable[[], None]) -> None:
        self._writer.when_committed(call)


def _numbered(row: Row[Any]) -> tuple[int, InboxMessage]:
    values = {name: row._mapping[name] for name in _NAMES}
    return row.number, InboxMessage(**{**values, "priority": Priority(row.priority)})
