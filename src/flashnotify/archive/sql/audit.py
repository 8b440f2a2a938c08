"""The audit log, in SQL."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, insert, select

from flashnotify.archive.identity_models import AuditEntry as Table
from flashnotify.archive.identity_records import AuditEntry, AuditFilter
from flashnotify.archive.records import Page
from flashnotify.archive.sql.access import Access, matching
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of
from flashnotify.errors import FieldError, InvalidInput

_all = select(Table.__table__)
_last = _all.order_by(Table.number.desc()).limit(1)
_after = (
    _all.where(Table.number > bindparam("after")).order_by(Table.number).limit(bindparam("most"))
)

ADD_AUDIT_ENTRY = Statement(insert(Table), Stage.parents)


class SqlAuditLog(Access):
    """Implements `AuditLog`."""

    async def append(self, entry: AuditEntry) -> None:
        await self._writer.write(added(entry))

    async def last(self) -> AuditEntry | None:
        return await self._reader.one(_last, {}, _entry)

    async def page(
        self, wanted: AuditFilter, *, limit: int, cursor: str | None
    ) -> Page[AuditEntry]:
        query = _all.where(*_conditions(wanted))
        if cursor is not None:
            query = query.where(Table.number < _number(cursor))
        query = query.order_by(Table.number.desc()).limit(limit + 1)
        found = await self._lists.records(query, {}, _entry)
        shown = found[:limit]
        return Page(shown, str(shown[-1].number) if len(found) > limit else None)

    async def after(self, number: int, limit: int) -> Sequence[AuditEntry]:
        return await self._lists.records(_after, {"after": number, "most": limit}, _entry)


def added(entry: AuditEntry) -> Change:
    """Return the change that stores an entry."""
    return ADD_AUDIT_ENTRY, row_of(entry) | {"details": json.dumps(dict(entry.details))}


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    found = matching((Table.actor, wanted.actor), (Table.target, wanted.target))
    if wanted.action is not None:
        below = wanted.action.endswith(".")
        found.append(
            Table.action.startswith(wanted.action, autoescape=True)
            if below
            else Table.action == wanted.action
        )
    if wanted.since is not None:
        found.append(Table.at >= wanted.since)
    if wanted.until is not None:
        found.append(Table.at < wanted.until)
    return found


def _number(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        detail = "must be the `next` of the previous page"
        raise InvalidInput([FieldError("/cursor", "invalid_cursor", detail)])
    return int(cursor)


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(**{**row._mapping, "details": json.loads(row.details)})
