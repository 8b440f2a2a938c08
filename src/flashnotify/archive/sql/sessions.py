"""Sessions, in SQL."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, or_, select

from flashnotify.archive.identity_models import Session as Table
from flashnotify.archive.identity_records import AuditEntry, Session
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.audit import added
from flashnotify.archive.sql.changes import Stage, Statement, row_of, update_row

_all = select(Table.__table__)
_by_hash = _all.where(Table.token_hash == bindparam("wanted"))
_of_user = _all.where(Table.user_id == bindparam("wanted")).order_by(Table.id.desc())

ADD_SESSION = Statement(insert(Table), Stage.children)
SEE_SESSION = update_row(Table)
REMOVE_SESSION = Statement(delete(Table).where(Table.id == bindparam("of")), Stage.endings)
PURGE_SESSIONS = Statement(
    delete(Table).where(
        or_(Table.created_at < bindparam("created"), Table.seen_at < bindparam("seen"))
    ),
    Stage.endings,
)


class SqlSessions(Access):
    """Implements `Sessions`."""

    async def add(self, session: Session, replaced: UUID | None, entry: AuditEntry) -> None:
        removal = [] if replaced is None else [(REMOVE_SESSION, {"of": replaced})]
        await self._writer.write((ADD_SESSION, row_of(session)), *removal, added(entry))

    async def find(self, token_hash: bytes) -> Session | None:
        return await self._reader.one(
            _by_hash, {"wanted": token_hash}, lambda row: Session(**row._mapping)
        )

    async def of_user(self, user_id: UUID) -> Sequence[Session]:
        return await self._lists.records(
            _of_user, {"wanted": user_id}, lambda row: Session(**row._mapping)
        )

    async def record_seen(self, id: UUID, now: int) -> None:
        await self._writer.write((SEE_SESSION, {"of": id, "seen_at": now}))

    async def remove(self, ids: Sequence[UUID], entry: AuditEntry) -> None:
        await self._writer.write(*((REMOVE_SESSION, {"of": id}) for id in ids), added(entry))

    async def purge(self, created_before: int, seen_before: int) -> None:
        bounds = {"created": created_before, "seen": seen_before}
        await self._writer.write((PURGE_SESSIONS, bounds))
