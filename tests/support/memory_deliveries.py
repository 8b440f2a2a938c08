"""The deliveries and attempts of an archive in memory."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from flashnotify.archive.records import (
    QUIET_HOURS,
    Attempt,
    Delivery,
    DeliveryFilter,
    DeliveryResult,
    Finish,
    ListedDelivery,
    Notification,
    OutboxMessage,
    Page,
)
from flashnotify.archive.sql.statistics import LATENCY_SPAN, TOTAL_SPAN
from flashnotify.archive.statistics_records import LATENCY_BOUNDS
from flashnotify.domain import AttemptOutcome, DeliveryStatus, NotificationStatus, WaitReason
from flashnotify.errors import WriteRefused
from tests.support.memory_state import State, made_within, matches, page


class MemoryDeliveries:
    """Implements `Deliveries`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def queued(self, job_id: UUID) -> Sequence[Delivery]:
        await self._state.read()
        return sorted(
            (
                d
                for d in self._state.deliveries.values()
                if d.job_id == job_id and d.status is DeliveryStatus.queued
            ),
            key=lambda d: d.id,
        )

    async def find(self, id: UUID) -> Delivery | None:
        await self._state.read()
        return self._state.deliveries.get(id)

    async def page(
        self, wanted: DeliveryFilter, *, limit: int, cursor: str | None
    ) -> Page[ListedDelivery]:
        await self._state.read()
        found = [
            self._with_job(d)
            for d in self._state.deliveries.values()
            if matches(
                (
                    (d.notification_id, wanted.notification_id),
                    (d.address.lower(), wanted.to and wanted.to.lower()),
                    (d.kind, wanted.kind),
                    (d.channel, wanted.channel),
                    (d.user_id, wanted.user),
                    (d.status, wanted.status),
                    (self._state.sender_of(d.notification_id), wanted.sender),
                )
            )
            and made_within(d.id, wanted.since, wanted.until)
            and (wanted.only is None or d.id in wanted.only)
            and d.id not in wanted.excluding
            and (wanted.people or d.user_id is None)
        ]
        return page(found, lambda d: d.id, limit, cursor)

    def _with_job(self, delivery: Delivery) -> ListedDelivery:
        listed = ListedDelivery(*(getattr(delivery, field.name) for field in fields(Delivery)))
        if delivery.status is not DeliveryStatus.queued:
            return listed
        job = self._state.jobs.get(delivery.job_id)
        if job is None or job.job.turn is not None or job.due_at <= delivery.due_at:
            waiting = WaitReason.retrying if delivery.attempts else WaitReason.due
            if delivery.reason == QUIET_HOURS:
                waiting = WaitReason.quiet_hours
            return replace(listed, waiting=waiting)
        reason = delivery.reason if job.reason is None else job.reason
        return replace(listed, due_at=job.due_at, reason=reason, waiting=job.waiting)

    async def failed(self, id: UUID, after: UUID, limit: int) -> Sequence[Delivery]:
        await self._state.read()
        found = (
            d
            for d in self._state.deliveries.values()
            if d.notification_id == id and d.status is DeliveryStatus.failed and d.id > after
        )
        return sorted(found, key=lambda d: d.id)[:limit]

    async def attempts(
        self, ids: Collection[UUID], *, latest: int
    ) -> Mapping[UUID, Mapping[int, Attempt]]:
        await self._state.read()
        # Which attempts count in statistics is not stored.
        return {
            id: dict(
                [
                    (number, replace(attempt, tracked=False))
                    for number, attempt in enumerate(self._state.attempts.get(id, ()), 1)
                ][-latest:]
            )
            for id in ids
        }

    def record(
        self, notification: Notification, result: DeliveryResult, now: int
    ) -> asyncio.Future[None]:
        kind = notification.kind
        return self._state.hand_over("deliveries.record", lambda: self._record(kind, result, now))

    def _record(self, kind: str, result: DeliveryResult, now: int) -> None:
        self._add_attempts(result.delivery, result.attempts)
        delivery, disposition = _attempted(result.delivery, result.attempts), result.disposition
        if isinstance(disposition, Finish):
            self._end(kind, delivery, disposition, now)
        else:
            due_at, reason = disposition.due_at, disposition.reason
            self._change(delivery, now, due_at=due_at, reason=reason)
        if isinstance(result.kept, OutboxMessage):
            self._state.outbox[result.kept.id] = result.kept
        self._state.put_refused(result.addresses)
        if result.ends is not None:
            self._state.jobs.pop(result.ends.id, None)

    async def finish(
        self, notification: Notification, deliveries: Sequence[Delivery], end: Finish, now: int
    ) -> None:
        async with self._state.write("deliveries.finish"):
            stored = self._state.notifications[notification.id]
            if end.reason == "expired" and stored.status is NotificationStatus.sending:
                expired = replace(stored, status=NotificationStatus.expired, updated_at=now)
                self._state.put_notification(expired)
            for delivery in deliveries:
                self._end(notification.kind, delivery, end, now)

    async def confirm(self, delivery: Delivery, kind: str, now: int) -> None:
        async with self._state.write("deliveries.confirm"):
            stored = self._state.deliveries[delivery.id]
            if stored.status is DeliveryStatus.sent:
                id, channel = stored.notification_id, stored.channel
                self._state.count(id, channel, DeliveryStatus.sent, -1)
                self._state.count(id, channel, DeliveryStatus.delivered, 1)
                self._state.put_delivery(
                    replace(stored, status=DeliveryStatus.delivered, reason=None, updated_at=now)
                )
            self._total(kind, delivery.channel, DeliveryStatus.delivered, now)

    async def note_undeliverable(self, id: UUID, reason: str, now: int) -> None:
        async with self._state.write("deliveries.note_undeliverable"):
            stored = self._state.deliveries[id]
            if stored.status is DeliveryStatus.sent:
                self._state.put_delivery(replace(stored, reason=reason, updated_at=now))

    def _add_attempts(self, delivery: Delivery, attempts: Iterable[Attempt]) -> None:
        stored = self._state.attempts.setdefault(delivery.id, [])
        if attempts and len(stored) != delivery.attempts:
            raise WriteRefused("UNIQUE constraint failed: attempts.delivery_id, attempts.number")
        for attempt in attempts:
            stored.append(attempt)
            if attempt.tracked:
                bucket = bisect_left(LATENCY_BOUNDS, round(attempt.duration * 1000, 3))
                since = attempt.at - attempt.at % LATENCY_SPAN
                failed = attempt.outcome is not AttemptOutcome.sent
                key = (since, delivery.channel, attempt.transport, bucket, failed)
                self._state.latencies[key] += 1

    def _end(self, kind: str, delivery: Delivery, end: Finish, now: int) -> None:
        self._change(delivery, now, status=end.status, reason=end.reason)
        id, channel = delivery.notification_id, delivery.channel
        self._state.count(id, channel, DeliveryStatus.queued, -1)
        self._state.count(id, channel, end.status, 1)
        self._total(kind, channel, end.status, now)
        self._state.end_some(id, 1, now)
        if end.drop_device is not None:
            self._state.devices.pop(end.drop_device, None)

    def _change(self, delivery: Delivery, now: int, **changes: Any) -> None:
        """Change a delivery that is still queued."""
        stored = self._state.deliveries[delivery.id]
        if stored.status is DeliveryStatus.queued:
            first = delivery.first_attempt_at
            attempted: dict[str, Any] = {"attempts": delivery.attempts, "first_attempt_at": first}
            self._state.put_delivery(replace(stored, updated_at=now, **attempted, **changes))

    def _total(self, kind: str, channel: str, status: DeliveryStatus, now: int) -> None:
        self._state.totals[now - now % TOTAL_SPAN, kind, channel, status] += 1


def _attempted(delivery: Delivery, attempts: Sequence[Attempt]) -> Delivery:
    first = delivery.first_attempt_at
    if first is None and attempts:
        first = attempts[0].at
    return replace(delivery, attempts=delivery.attempts + len(attempts), first_attempt_at=first)
