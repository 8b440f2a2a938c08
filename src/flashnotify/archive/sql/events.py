"""Reads of events."""

from collections.abc import Callable, Sequence

from sqlalchemy import bindparam, func, select

from flashnotify.archive.models import Event as Table
from flashnotify.archive.records import Event
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.senders import sender_of

_after = (
    select(*Table.__table__.columns, sender_of(Table.notification_id).label("sender"))
    .where(Table.id > bindparam("after"))
    .order_by(Table.id)
    .limit(bindparam("most"))
)
_latest = select(Table.at).order_by(Table.id.desc()).limit(1)


class SqlEvents(Access):
    """Implements `Events`. The database writes events itself, by triggers."""

    async def after(self, id: int, limit: int) -> Sequence[Event]:
        rows = await self._lists.all(_after, {"after": id, "most": limit})
        return [Event(**row._mapping) for row in rows]

    async def last(self) -> int:
        return await self._lists.value(select(func.max(Table.id))) or 0

    async def latest(self) -> int | None:
        at: int | None = await self._lists.value(_latest)
        return at

    def on_commit(self, call: Callable[[], None]) -> None:
        self._writer.when_committed(call)
