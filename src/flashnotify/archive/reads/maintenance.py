"""Reads of what has been kept long enough, a slice at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from flashnotify.archive.access import Access
from flashnotify.archive.models import (
    Delivery,
    Event,
    IdempotencyKey,
    Latency,
    Notification,
    OutboxMessage,
    Total,
)
from flashnotify.archive.reads.reading import first_id


class MaintenanceReads(Access):
    """Finds what can be purged."""

    async def old_idempotency_keys(self, before: int, limit: int) -> Sequence[Row[Any]]:
        """Return the callers and keys of some that are older than `before`, oldest first."""
        query = (
            select(IdempotencyKey.caller, IdempotencyKey.key)
            .where(IdempotencyKey.created_at < before)
            .order_by(IdempotencyKey.created_at)
            .limit(limit)
        )
        return await self._reader.all(query, {})

    async def event_numbers(self) -> tuple[int | None, int | None]:
        """Return the numbers of the first and the last event."""
        return (
            await self._reader.value(select(func.min(Event.id))),
            await self._reader.value(select(func.max(Event.id))),
        )

    async def first(self, of: type[Total] | type[Latency]) -> int | None:
        """Return when the oldest counts or latencies begin."""
        since: int | None = await self._reader.value(select(func.min(of.since)))
        return since

    async def unknown_kinds(self, known: Collection[str]) -> Sequence[str]:
        """Return the kinds of notifications that are not `known`."""
        found: list[str] = []
        # One look into the index for each kind, however many notifications there are.
        query = select(func.min(Notification.kind))
        kind = await self._reader.value(query)
        while kind is not None:
            if kind not in known:
                found.append(kind)
            kind = await self._reader.value(query.where(Notification.kind > kind))
        return found

    async def old_notifications(self, kind: str, before: int, limit: int) -> Sequence[UUID]:
        """Return the ids of notifications of a kind that ended before `before`, oldest first."""
        query = (
            select(Notification.id)
            .where(
                Notification.kind == kind,
                Notification.id < first_id(before),
                Notification.completed_at < before,
            )
            .order_by(Notification.id)
            .limit(limit)
        )
        return [row.id for row in await self._reader.all(query, {})]

    async def deliveries_of(self, ids: Sequence[UUID], limit: int) -> Sequence[Row[Any]]:
        """Return the ids of some deliveries of some notifications, with their attempts."""
        query = (
            select(Delivery.id, Delivery.attempts)
            .where(Delivery.notification_id.in_(ids))
            .limit(limit)
        )
        return await self._reader.all(query, {})

    async def messages_of(self, ids: Sequence[UUID], limit: int) -> Sequence[UUID]:
        """Return the ids of some captured messages of some notifications."""
        query = select(OutboxMessage.id).where(OutboxMessage.notification_id.in_(ids)).limit(limit)
        return [row.id for row in await self._reader.all(query, {})]
