"""Reads of captured messages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from flashnotify.archive.access import Access
from flashnotify.archive.models import OutboxMessage as Table
from flashnotify.archive.records import OutboxMessage, Page


class OutboxReads(Access):
    """The port `Outbox`."""

    async def page(
        self,
        *,
        notification_id: UUID | None,
        channel: str | None,
        limit: int,
        cursor: str | None,
    ) -> Page[OutboxMessage]:
        query = select(Table.__table__)
        if notification_id is not None:
            query = query.where(Table.notification_id == notification_id)
        if channel is not None:
            query = query.where(Table.channel == channel)
        return await self._lists.page(query, Table.id, limit, cursor, _message)


def _message(row: Row[Any]) -> OutboxMessage:
    return OutboxMessage(**row._mapping)
