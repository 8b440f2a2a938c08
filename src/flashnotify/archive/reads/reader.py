"""Every read there is, over connections that cannot write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, literal_column, select

from flashnotify import domain
from flashnotify.archive.models import (
    ApiKey,
    Attempt,
    Count,
    Delivery,
    Device,
    Event,
    IdempotencyKey,
    JobRow,
    Latency,
    Notification,
    OutboxMessage,
    Total,
)
from flashnotify.archive.reads.reading import Page, Reading
from flashnotify.domain import Job, NotificationStatus, Priority


@dataclass(frozen=True, slots=True)
class NotificationFilter:
    """Which notifications a list is about. Times are milliseconds since the epoch."""

    kind: str | None = None
    status: NotificationStatus | None = None
    priority: Priority | None = None
    reference: str | None = None
    since: int | None = None
    until: int | None = None


_notification = select(Notification.__table__).where(Notification.id == bindparam("of"))
_counts = select(Count.__table__).where(Count.notification_id == bindparam("of"))
# The literals let SQLite use the partial index.
_queued = select(
    Delivery.id, Delivery.address, Delivery.attempts, Delivery.first_attempt_at, Delivery.due_at
).where(Delivery.job_id == bindparam("job"), literal_column("status = 'queued'"))
_due = (
    select(JobRow.id, JobRow.notification_id, JobRow.channel)
    .where(JobRow.priority == bindparam("lane"), JobRow.due_at <= bindparam("now"))
    .order_by(JobRow.due_at, JobRow.id)
    .limit(bindparam("most"))
)
_delivery = (
    select(Delivery.status, Delivery.channel, Notification.kind)
    .join(Notification, Notification.id == Delivery.notification_id)
    .where(Delivery.id == bindparam("of"))
)
_next_due = select(func.min(JobRow.due_at)).where(
    JobRow.priority == bindparam("lane"), JobRow.due_at > bindparam("now")
)
_api_key = select(ApiKey.__table__).where(ApiKey.id == bindparam("of"))
_idempotency_key = select(IdempotencyKey.__table__).where(
    IdempotencyKey.caller == bindparam("caller"), IdempotencyKey.key == bindparam("key")
)


class Reader(Reading):
    """Reads the archive. Every call takes a connection, and gives it back before it returns."""

    async def notification(self, id: UUID) -> Row[Any] | None:
        """One notification."""
        return await self.one(_notification, {"of": id})

    async def counts(self, notification_id: UUID) -> dict[str, dict[str, int]]:
        """Deliveries of a notification by channel and status."""
        counts: dict[str, dict[str, int]] = {}
        for row in await self.all(_counts, {"of": notification_id}):
            if row.deliveries:
                counts.setdefault(row.channel, {})[row.status] = row.deliveries
        return counts

    async def notifications(
        self, wanted: NotificationFilter, *, limit: int, cursor: str | None
    ) -> Page:
        """The notifications that fit `wanted`, newest first."""
        query = select(Notification.__table__)
        for column, value in (
            (Notification.kind, wanted.kind),
            (Notification.reference, wanted.reference),
            (Notification.priority, wanted.priority),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.status is not None:
            query = query.where(Notification.status == wanted.status)
            if wanted.status is not NotificationStatus.completed:
                # Said once more as a literal, so that SQLite can use the partial index.
                query = query.where(literal_column("status <> 'completed'"))
        if wanted.since is not None:
            query = query.where(Notification.id >= first_id(wanted.since))
        if wanted.until is not None:
            query = query.where(Notification.id < first_id(wanted.until))
        return await self.page(query, Notification.id, limit, cursor)

    async def deliveries(
        self,
        notification_id: UUID,
        *,
        status: str | None,
        channel: str | None,
        limit: int,
        cursor: str | None,
    ) -> Page:
        """The deliveries of a notification, newest first."""
        query = select(Delivery.__table__).where(Delivery.notification_id == notification_id)
        if status is not None:
            query = query.where(Delivery.status == status)
        if channel is not None:
            query = query.where(Delivery.channel == channel)
        return await self.page(query, Delivery.id, limit, cursor)

    async def delivery(self, id: UUID) -> Row[Any] | None:
        """The status, channel and kind of one delivery."""
        return await self.one(_delivery, {"of": id})

    async def attempts(self, delivery_ids: Sequence[UUID]) -> Mapping[UUID, list[Row[Any]]]:
        """The attempts at some deliveries, in order."""
        found: dict[UUID, list[Row[Any]]] = {id: [] for id in delivery_ids}
        query = (
            select(Attempt.__table__)
            .where(Attempt.delivery_id.in_(delivery_ids))
            .order_by(Attempt.delivery_id, Attempt.number)
        )
        for row in await self.all(query, {}):
            found[row.delivery_id].append(row)
        return found

    async def queued_deliveries(self, job_id: UUID) -> Sequence[Row[Any]]:
        """The deliveries of a batch that have not ended."""
        return await self.all(_queued, {"job": job_id})

    async def device(self, id: UUID) -> Row[Any] | None:
        """One device."""
        return await self.one(select(Device.__table__).where(Device.id == id), {})

    async def device_of(self, type: str, target: str) -> Row[Any] | None:
        """The device of a subscription or a topic."""
        query = select(Device.__table__).where(Device.type == type, Device.target == target)
        return await self.one(query, {})

    async def devices(self, *, limit: int, cursor: str | None) -> Page:
        """All devices, newest first."""
        return await self.page(select(Device.__table__), Device.id, limit, cursor)

    async def registered_devices(self, ids: Sequence[str]) -> frozenset[str]:
        """Those of some devices that are registered."""
        query = select(Device.id).where(Device.id.in_([UUID(id) for id in ids]))
        return frozenset(str(row.id) for row in await self.all(query, {}))

    async def devices_by_id(self, ids: Sequence[UUID]) -> Mapping[UUID, domain.Device]:
        """Those of some devices that are registered."""
        query = select(Device.__table__).where(Device.id.in_(ids))
        return {
            row.id: domain.Device(
                row.id, domain.DeviceType(row.type), row.target, row.p256dh, row.auth
            )
            for row in await self.all(query, {})
        }

    async def failed_deliveries(
        self, notification_id: UUID, after: UUID, most: int
    ) -> Sequence[Row[Any]]:
        """Failed deliveries of a notification whose ids come after `after`, in their order."""
        query = (
            select(Delivery.id, Delivery.channel)
            .where(
                Delivery.notification_id == notification_id,
                Delivery.status == "failed",
                Delivery.id > after,
            )
            .order_by(Delivery.id)
            .limit(most)
        )
        return await self.all(query, {})

    async def outbox(
        self, *, notification_id: UUID | None, channel: str | None, limit: int, cursor: str | None
    ) -> Page:
        """What `capture://` kept, newest first."""
        query = select(OutboxMessage.__table__)
        if notification_id is not None:
            query = query.where(OutboxMessage.notification_id == notification_id)
        if channel is not None:
            query = query.where(OutboxMessage.channel == channel)
        return await self.page(query, OutboxMessage.id, limit, cursor)

    async def jobs_due(self, lane: Priority, now: int, most: int) -> list[Job]:
        """Unfinished work of a lane that is due, longest due first."""
        rows = await self.all(_due, {"lane": int(lane), "now": now, "most": most})
        return [Job(row.id, row.notification_id, lane, row.channel) for row in rows]

    async def next_due(self, lane: Priority, now: int) -> int | None:
        """When the next work of a lane is due, after `now`."""
        row = await self.one(_next_due, {"lane": int(lane), "now": now})
        return None if row is None else row[0]

    async def api_key(self, id: str) -> Row[Any] | None:
        """One API key."""
        return await self.one(_api_key, {"of": id})

    async def api_keys(self) -> Sequence[Row[Any]]:
        """All API keys, oldest first."""
        return await self.all(select(ApiKey.__table__).order_by(ApiKey.created_at, ApiKey.id), {})

    async def idempotency_key(self, caller: str, key: str) -> Row[Any] | None:
        """What a caller got for its key."""
        return await self.one(_idempotency_key, {"caller": caller, "key": key})

    async def events(self, after: int, most: int) -> Sequence[Row[Any]]:
        """What happened after event number `after`, in commit order."""
        query = select(Event.__table__).where(Event.id > after).order_by(Event.id).limit(most)
        return await self.all(query, {})

    async def last_event(self) -> int:
        """The number of the last event; 0 if there is none."""
        row = await self.one(select(func.max(Event.id)), {})
        return 0 if row is None or row[0] is None else int(row[0])

    async def totals(self, since: int) -> Sequence[Row[Any]]:
        """Counts since `since` (milliseconds since the epoch), by kind, channel and status."""
        query = (
            select(Total.kind, Total.channel, Total.status, func.sum(Total.number).label("number"))
            .where(Total.since >= since)
            .group_by(Total.kind, Total.channel, Total.status)
        )
        return await self.all(query, {})

    async def latencies(self, since: int) -> Sequence[Row[Any]]:
        """Attempts since `since` (milliseconds since the epoch), by channel, transport, bucket."""
        query = (
            select(
                Latency.channel,
                Latency.transport,
                Latency.bucket,
                func.sum(Latency.attempts).label("attempts"),
                func.sum(Latency.failures).label("failures"),
            )
            .where(Latency.since >= since)
            .group_by(Latency.channel, Latency.transport, Latency.bucket)
        )
        return await self.all(query, {})

    async def oldest_due(self, lane: Priority) -> int | None:
        """Since when the longest waiting job of a lane is due."""
        query = select(func.min(JobRow.due_at)).where(JobRow.priority == int(lane))
        row = await self.one(query, {})
        return None if row is None else row[0]


def first_id(ms: int) -> UUID:
    """The least UUIDv7 of a millisecond since the epoch."""
    ms = min(max(ms, 0), (1 << 48) - 1)
    return UUID(int=(ms << 80) | (7 << 76) | (2 << 62))
