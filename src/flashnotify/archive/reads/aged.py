"""What the archive has kept for long: where retention finds what to forget, a slice at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from flashnotify.archive.models import (
    Delivery,
    Event,
    IdempotencyKey,
    Latency,
    Notification,
    OutboxMessage,
    Total,
)
from flashnotify.archive.reads.reader import first_id
from flashnotify.archive.reads.reading import Reading


class Aged:
    """Finds what is old. `most` bounds each answer."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def idempotency_keys(self, before: int, most: int) -> Sequence[Row[Any]]:
        """Some that are older than `before`, in milliseconds since the epoch."""
        query = (
            select(IdempotencyKey.caller, IdempotencyKey.key)
            .where(IdempotencyKey.created_at < before)
            .order_by(IdempotencyKey.created_at)
            .limit(most)
        )
        return await self._reading.all(query, {})

    async def first_event(self) -> int | None:
        """The number of the first event that is kept."""
        row = await self._reading.one(select(func.min(Event.id)), {})
        return None if row is None else row[0]

    async def first_total(self) -> int | None:
        """When the oldest counts begin, in milliseconds since the epoch."""
        row = await self._reading.one(select(func.min(Total.since)), {})
        return None if row is None else row[0]

    async def first_latency(self) -> int | None:
        """When the oldest latencies begin, in milliseconds since the epoch."""
        row = await self._reading.one(select(func.min(Latency.since)), {})
        return None if row is None else row[0]

    async def notifications(self, kind: str, before: int, most: int) -> Sequence[UUID]:
        """The ids of notifications of a kind that ended before `before`, oldest first."""
        query = (
            select(Notification.id)
            .where(
                Notification.kind == kind,
                Notification.id < first_id(before),
                Notification.completed_at < before,
            )
            .order_by(Notification.id)
            .limit(most)
        )
        return [row.id for row in await self._reading.all(query, {})]

    async def deliveries(self, notification_ids: Sequence[UUID], most: int) -> Sequence[Row[Any]]:
        """The ids of some deliveries of some notifications, each with how many attempts it has."""
        query = (
            select(Delivery.id, Delivery.attempts)
            .where(Delivery.notification_id.in_(notification_ids))
            .limit(most)
        )
        return await self._reading.all(query, {})

    async def messages(self, notification_ids: Sequence[UUID], most: int) -> Sequence[UUID]:
        """The ids of some captured messages of some notifications."""
        query = (
            select(OutboxMessage.id)
            .where(OutboxMessage.notification_id.in_(notification_ids))
            .limit(most)
        )
        return [row.id for row in await self._reading.all(query, {})]
