"""Addresses that were refused for good, in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, delete, select

from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.people_models import RefusedAddress as Table
from flashnotify.archive.people_records import RefusedAddress
from flashnotify.archive.records import Page
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.audit import added
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, upsert
from flashnotify.archive.sql.lists import Span

_all = select(Table.__table__)
STORE_REFUSED = upsert(
    Table, Stage.children, replace=("refusals", "reason", "refused_at", "suspended_at")
)
# After what the same commit adds: an address that works is never suspended by an old row.
FORGET_REFUSED = Statement(
    delete(Table).where(Table.address == bindparam("to"), Table.channel == bindparam("on")),
    Stage.endings,
)


class SqlRefusedAddresses(Access):
    """Implements `RefusedAddresses`."""

    async def newest(self, limit: int) -> Sequence[RefusedAddress]:
        query = _all.order_by(Table.refused_at.desc()).limit(limit)
        return (await self._lists.records(query, {}, _refused))[::-1]

    async def suspended(self, *, limit: int, cursor: str | None) -> Page[RefusedAddress]:
        wanted = [Table.suspended_at.is_not(None)]
        span = Span.after(cursor)
        return await self._lists.filtered_page(
            _all, select(Table.id), wanted, limit, span, _refused
        )

    async def store(
        self, addresses: Sequence[RefusedAddress], entry: AuditEntry | None = None
    ) -> None:
        changes = refused_changes(addresses)
        await self._writer.write(*changes, *(() if entry is None else (added(entry),)))


def refused_changes(addresses: Sequence[RefusedAddress]) -> list[Change]:
    """Return the changes that store addresses, and forget those without refusals."""
    return [
        (STORE_REFUSED, row_of(each))
        if each.refusals
        else (FORGET_REFUSED, {"to": each.address, "on": each.channel})
        for each in addresses
    ]


def _refused(row: Row[Any]) -> RefusedAddress:
    return RefusedAddress(**row._mapping)
