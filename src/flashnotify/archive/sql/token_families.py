"""Families of tokens, in SQL."""

from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select

from flashnotify.archive.identity_models import TokenFamily as Table
from flashnotify.archive.identity_records import AuditEntry, TokenFamily
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.audit import added
from flashnotify.archive.sql.changes import Stage, Statement, row_of, update_row

_by_id = select(Table.__table__).where(Table.id == bindparam("wanted"))

ADD_FAMILY = Statement(insert(Table), Stage.parents)
ADVANCE_FAMILY = update_row(Table)
REVOKE_FAMILY = update_row(Table, Table.revoked_at.is_(None))
PURGE_FAMILY = Statement(delete(Table).where(Table.id == bindparam("of")), Stage.endings)


class SqlTokenFamilies(Access):
    """Implements `TokenFamilies`."""

    async def add(self, family: TokenFamily, entry: AuditEntry) -> None:
        await self._writer.write((ADD_FAMILY, row_of(family)), added(entry))

    async def find(self, id: UUID) -> TokenFamily | None:
        return await self._reader.one(
            _by_id, {"wanted": id}, lambda row: TokenFamily(**row._mapping)
        )

    async def advance(self, id: UUID, generation: int, now: int, entry: AuditEntry) -> None:
        change = {"of": id, "generation": generation, "used_at": now}
        await self._writer.write((ADVANCE_FAMILY, change), added(entry))

    async def revoke(self, id: UUID, now: int, entry: AuditEntry) -> None:
        await self._writer.write((REVOKE_FAMILY, {"of": id, "revoked_at": now}), added(entry))
