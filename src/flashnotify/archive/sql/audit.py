"""The audit log, in SQL."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, bindparam, exists, insert, select

from flashnotify.archive.identity_models import AuditEntry as Table
from flashnotify.archive.identity_records import AuditEntry, AuditFilter
from flashnotify.archive.models import Notification
from flashnotify.archive.records import Page
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of
from flashnotify.archive.sql.lists import LOOKED_AT
from flashnotify.errors import FieldError, InvalidInput

_all = select(Table.__table__)
_last = _all.order_by(Table.number.desc()).limit(1)
_after = (
    _all.where(Table.number > bindparam("after")).order_by(Table.number).limit(bindparam("most"))
)

ADD_AUDIT_ENTRY = Statement(insert(Table), Stage.parents)
_columns = Table.__table__.columns
# After the change, which is none if the notification ended before.
ADD_IF_CANCELLED = Statement(
    insert(Table).from_select(
        [column.name for column in _columns],
        select(*(bindparam(f"entry_{c.name}", type_=c.type) for c in _columns)).where(
            exists().where(Notification.id == bindparam("of"), Notification.status == "cancelled")
        ),
    ),
    Stage.endings,
)


class SqlAuditLog(Access):
    """Implements `AuditLog`."""

    async def append(self, entry: AuditEntry) -> None:
        await self._writer.write(added(entry))

    async def last(self) -> AuditEntry | None:
        return await self._reader.one(_last, {}, _entry)

    async def page(
        self, wanted: AuditFilter, *, limit: int, cursor: str | None
    ) -> Page[AuditEntry]:
        indexed, others = _conditions(wanted)
        if cursor is not None:
            indexed.append(Table.number < _number(cursor))
        newest = Table.number.desc()
        last: int | None = None
        if others:
            looked_at = select(Table.number).where(*indexed).order_by(newest)
            last = await self._lists.value(looked_at.offset(LOOKED_AT - 1).limit(1))
        query = _all.where(*indexed, *others).order_by(newest).limit(limit + 1)
        if last is not None:
            query = query.where(Table.number >= last)
        found = await self._lists.records(query, {}, _entry)
        shown = found[:limit]
        if len(found) > limit:
            last = shown[-1].number
        return Page(shown, None if last is None else str(last))

    async def after(self, number: int, limit: int) -> Sequence[AuditEntry]:
        return await self._lists.records(_after, {"after": number, "most": limit}, _entry)


def added(entry: AuditEntry) -> Change:
    """Return the change that stores an entry."""
    return ADD_AUDIT_ENTRY, _row(entry)


def added_if_cancelled(entry: AuditEntry, notification: UUID) -> Change:
    """Return the change that stores an entry if a notification is cancelled by then."""
    values = {f"entry_{name}": value for name, value in _row(entry).items()}
    return ADD_IF_CANCELLED, {"of": notification, **values}


def _row(entry: AuditEntry) -> dict[str, Any]:
    return row_of(entry) | {"details": json.dumps(dict(entry.details))}


def _conditions(
    wanted: AuditFilter,
) -> tuple[list[ColumnElement[bool]], list[ColumnElement[bool]]]:
    """Return the condition that one index answers, if any, and those that are left."""
    below = wanted.action if wanted.action and wanted.action.endswith(".") else None
    exact = None if below else wanted.action
    equal = (("target", wanted.target), ("actor", wanted.actor), ("action", exact))
    given = [(name, value) for name, value in equal if value is not None]
    columns = Table.__table__.c
    # Computed, so that SQLite takes no other index for them.
    others = [columns[name].concat("") == value for name, value in given[1:]]
    if below is not None:
        others.append(columns.action.concat("").startswith(below, autoescape=True))
    if wanted.since is not None:
        others.append(Table.at >= wanted.since)
    if wanted.until is not None:
        others.append(Table.at < wanted.until)
    return [columns[name] == value for name, value in given[:1]], others


def _number(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        detail = "must be the `next` of the previous page"
        raise InvalidInput([FieldError("/cursor", "invalid_cursor", detail)])
    return int(cursor)


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(**{**row._mapping, "details": json.loads(row.details)})
