"""What waits for people's digests, in SQL."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select, tuple_

from flashnotify.archive.models import Notification as Row
from flashnotify.archive.people_models import DigestEntry as Table
from flashnotify.archive.people_records import DigestEntry
from flashnotify.archive.records import Notification
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, upsert
from flashnotify.archive.sql.notification_lists import WITHOUT_AUDIENCE, notification_of
from flashnotify.archive.write_lanes import WriteLane

ADD_DIGEST_ENTRY = upsert(Table, Stage.children, replace=("due_at",))
REMOVE_DIGEST_ENTRY = Statement(
    delete(Table).where(
        Table.user_id == bindparam("user"), Table.notification_id == bindparam("of")
    ),
    Stage.endings,
)


class SqlDigests(Access):
    """Implements `Digests`."""

    async def due(self, now: int, after: DigestEntry | None, limit: int) -> Sequence[DigestEntry]:
        order = (Table.due_at, Table.user_id, Table.notification_id)
        query = select(Table.__table__).where(Table.due_at <= now)
        if after is not None:
            place = (after.due_at, after.user_id, after.notification_id)
            query = query.where(tuple_(*order) > place)
        query = query.order_by(*order).limit(limit)
        return await self._reader.records(query, {}, lambda row: DigestEntry(**row._mapping))

    async def waiting(
        self, users: Collection[UUID], now: int, limit: int
    ) -> Mapping[UUID, Sequence[Notification]]:
        order = Table.notification_id
        number = func.row_number().over(partition_by=Table.user_id, order_by=order).label("number")
        entries = (
            select(Table.user_id, order, number)
            .where(Table.user_id.in_(users), Table.due_at <= now)
            .subquery()
        )
        rows = await self._reader.all(select(entries).where(entries.c.number <= limit), {})
        query = WITHOUT_AUDIENCE.where(Row.id.in_({row.notification_id for row in rows}))
        known = {each.id: each for each in await self._reader.records(query, {}, notification_of)}
        found: dict[UUID, list[Notification]] = {}
        for row in sorted(rows, key=lambda row: row.number):
            # One that is damaged leaves a trace in the log.
            if (notification := known.get(row.notification_id)) is not None:
                found.setdefault(row.user_id, []).append(notification)
        return found

    async def remove(self, entries: Sequence[DigestEntry]) -> None:
        await self._writer.write(*map(removed, entries), lane=WriteLane.bulk)


def added(entry: DigestEntry) -> Change:
    """Return the change that lets a notification wait for a digest."""
    return ADD_DIGEST_ENTRY, row_of(entry)


def removed(entry: DigestEntry) -> Change:
    """Return the change that takes a notification from those that wait for a digest."""
    return REMOVE_DIGEST_ENTRY, {"user": entry.user_id, "of": entry.notification_id}
