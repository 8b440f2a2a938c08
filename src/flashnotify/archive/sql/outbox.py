"""Reads of captured messages."""

from sqlalchemy import select

from flashnotify.archive.models import OutboxMessage as Table
from flashnotify.archive.records import OutboxFilter, OutboxMessage, Page
from flashnotify.archive.sql.access import Access, matching
from flashnotify.archive.sql.lists import Span


class SqlOutbox(Access):
    """Implements `Outbox`."""

    async def page(
        self, wanted: OutboxFilter, *, limit: int, cursor: str | None
    ) -> Page[OutboxMessage]:
        return await self._lists.filtered_page(
            select(Table.__table__),
            select(Table.id).where(*matching((Table.notification_id, wanted.notification_id))),
            matching((Table.channel, wanted.channel)),
            limit,
            Span.after(cursor),
            lambda row: OutboxMessage(**row._mapping),
        )
