"""Reads of captured messages."""

from sqlalchemy import select

from flashnotify.archive.models import OutboxMessage as Table
from flashnotify.archive.records import OutboxFilter, OutboxMessage, Page
from flashnotify.archive.sql.access import Access, matching
from flashnotify.archive.sql.lists import Span
from flashnotify.archive.sql.senders import filed_with


class SqlOutbox(Access):
    """Implements `Outbox`."""

    async def page(
        self, wanted: OutboxFilter, *, limit: int, cursor: str | None
    ) -> Page[OutboxMessage]:
        others = matching((Table.channel, wanted.channel))
        span = Span.after(cursor)
        if wanted.sender is not None:
            others.append(filed_with(Table.notification_id, sender=wanted.sender))
            span = await self._lists.since_first(wanted.sender, span)
        return await self._lists.filtered_page(
            select(Table.__table__),
            select(Table.id).where(*matching((Table.notification_id, wanted.notification_id))),
            others,
            limit,
            span,
            lambda row: OutboxMessage(**row._mapping),
        )
