"""Reads of captured messages."""

from sqlalchemy import select

from flashnotify.archive.models import OutboxMessage as Table
from flashnotify.archive.records import OutboxFilter, OutboxMessage, Page
from flashnotify.archive.sql.access import Access, matching


class SqlOutbox(Access):
    """Implements `Outbox`."""

    async def page(
        self, wanted: OutboxFilter, *, limit: int, cursor: str | None
    ) -> Page[OutboxMessage]:
        of = (Table.notification_id, wanted.notification_id)
        query = matching(select(Table.__table__), of, (Table.channel, wanted.channel))
        return await self._lists.page(
            query, limit, cursor, lambda row: OutboxMessage(**row._mapping)
        )
