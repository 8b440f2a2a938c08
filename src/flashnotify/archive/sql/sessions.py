"""Sessions, in SQL."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select

from flashnotify.archive.identity_models import Session as Table
from flashnotify.archive.identity_records import AuditEntry, Session
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.audit import added
from flashnotify.archive.sql.changes import Stage, Statement, row_of, update_row
from flashnotify.archive.write_lanes import WriteLane

_all = select(Table.__table__)
_by_hash = _all.where(Table.token_hash == bindparam("wanted"))
_of_user = _all.where(Table.user_id == bindparam("wanted")).order_by(Table.id.desc())

ADD_SESSION = Statement(insert(Table), Stage.children)
SEE_SESSION = update_row(Table)
REMOVE_SESSION = Statement(delete(Table).where(Table.id == bindparam("of")), Stage.endings)


class SqlSessions(Access):
    """Implements `Sessions`."""

    async def add(self, session: Session, replaced: Sequence[UUID], entry: AuditEntry) -> None:
        removals = ((REMOVE_SESSION, {"of": id}) for id in replaced)
        await self._writer.write((ADD_SESSION, row_of(session)), *removals, added(entry))

    async def find(self, token_hash: bytes) -> Session | None:
        return await self._reader.one(
            _by_hash, {"wanted": token_hash}, lambda row: Session(**row._mapping)
        )

    async def of_user(self, user_id: UUID) -> Sequence[Session]:
        return await self._lists.records(
            _of_user, {"wanted": user_id}, lambda row: Session(**row._mapping)
        )

    def record_seen(self, id: UUID, now: int) -> asyncio.Future[None]:
        return self._writer.submit([(SEE_SESSION, {"of": id, "seen_at": now})], WriteLane.bulk)

    async def remove(self, ids: Sequence[UUID], entry: AuditEntry) -> None:
        await self._writer.write(*((REMOVE_SESSION, {"of": id}) for id in ids), added(entry))
