"""The pipeline for one batch: claim ▶ render ▶ send ▶ archive.

The database is never held while a provider is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from flashnotify.archive.reads.reader import Reader
from flashnotify.archive.writer import Writer
from flashnotify.archive.writes.changes import Change
from flashnotify.archive.writes.statements import END_JOB, MARK_EXPIRED, POSTPONE_JOB
from flashnotify.clock import Clock
from flashnotify.delivery import outcomes
from flashnotify.delivery.in_flight import Claims
from flashnotify.delivery.outcomes import Tally, Try
from flashnotify.delivery.rendering import Renderer
from flashnotify.delivery.routing import QUIET, Occasion, Routing
from flashnotify.delivery.sending import Outcome, Sending
from flashnotify.delivery.transports import OpenChannel
from flashnotify.domain import (
    AttemptOutcome,
    DeliveryStatus,
    Device,
    Job,
    Message,
    NotificationStatus,
    Rendering,
)
from flashnotify.errors import Retryable, Unavailable
from flashnotify.meta.metaclasses import Notifier
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec

# Deliveries over a transport that never waits, before others get the event loop.
_SLICE = 32
_PUSH = "push"
_CANCELLED = "the notification was cancelled"
_EXPIRED = "expired"


@dataclass(slots=True)
class _Batch:
    """A batch in hand."""

    job: Job
    notification: Row[Any]
    channel: OpenChannel
    notifier: Notifier
    rendering: Rendering
    devices: Mapping[str, Device]
    written: list[tuple[Sequence[Change], asyncio.Future[None]]] = field(default_factory=list)
    retries: list[int] = field(default_factory=list)


class Delivery:
    """Carries out batches."""

    def __init__(
        self,
        kinds: Registry[NotifierSpec],
        channels: Mapping[str, OpenChannel],
        reader: Reader,
        writer: Writer,
        renderer: Renderer,
        sending: Sending,
        claims: Claims,
        routing: Routing,
        clock: Clock,
    ) -> None:
        self._kinds = kinds
        self._channels = channels
        self._reader = reader
        self._writer = writer
        self._renderer = renderer
        self._sending = sending
        self._claims = claims
        self._routing = routing
        self._clock = clock

    async def deliver(self, job: Job) -> int | None:
        """Try the deliveries of a batch that are due.

        Returns when the rest is due, in milliseconds since the epoch, or None if none is left.
        """
        notification, queued = await self._claim(job)
        now = self._clock.now()
        obstacle = self._obstacle(job, notification, now)
        if obstacle is not None:
            await self._give_up(job, notification, queued, *obstacle)
            return None
        due = [row for row in queued if row.due_at <= now]
        later = [row.due_at for row in queued if row.due_at > now]
        not_before = self._not_before(job, notification, now)
        if not_before is not None:
            await self._hold(job, notification, due, not_before)
            return await self._end(job, [not_before, *later])
        batch = self._prepare(job, notification, await self._devices(job, due))
        await self._send(batch, due)
        await self._flush(batch)
        return await self._end(job, [*later, *batch.retries])

    async def fail(self, job: Job, error: Exception) -> int | None:
        """End a batch whose handling broke off: each delivery gets an attempt that says so.

        Returns when the batch is due again, in milliseconds since the epoch, or None.
        """
        notification, queued = await self._claim(job)
        now = self._clock.now()
        reason = f"internal error: {type(error).__name__}"
        tried = Try(now, 0.0, "-", AttemptOutcome.error, reason)
        spec = self._channels[str(job.channel)].spec
        retries: list[int] = []
        changes: list[Change] = []
        for row in queued:
            tally = _tally(job, notification, row)
            outcome = self._sending.retry_or_fail(spec, tally, [tried], Retryable(reason))
            changes += outcome.changes
            if outcome.retry_at is not None:
                retries.append(outcome.retry_at)
        await self._writer.write(*changes)
        return await self._end(job, retries)

    async def _claim(self, job: Job) -> tuple[Row[Any], Sequence[Row[Any]]]:
        """What the batch is about. On SQLite the queue's memory of what is in hand is the claim."""
        notification = await self._reader.notification(job.notification_id)
        if notification is None:
            raise LookupError("a job without its notification")
        return notification, await self._reader.queued_deliveries(job.id)

    def _obstacle(
        self, job: Job, notification: Row[Any], now: int
    ) -> tuple[DeliveryStatus, str] | None:
        """How this batch ends without being sent, and why, if it does."""
        if notification.status == NotificationStatus.cancelled:
            return DeliveryStatus.cancelled, _CANCELLED
        kind = self._kinds.get(notification.kind)
        if kind is None or job.channel not in kind.channels or job.channel not in self._channels:
            return DeliveryStatus.skipped, "not offered by kind"
        if notification.expires_at is not None and now >= notification.expires_at:
            return DeliveryStatus.skipped, _EXPIRED
        return None

    def _not_before(self, job: Job, notification: Row[Any], now: int) -> int | None:
        """Until when this batch must wait: retries and restarts may bring it up in quiet hours."""
        kind = self._kinds[notification.kind]
        occasion = Occasion(job.priority, notification.expires_at, now)
        return self._routing.not_before(kind, kind.channels[str(job.channel)], occasion)

    async def _hold(
        self, job: Job, notification: Row[Any], rows: Sequence[Row[Any]], not_before: int
    ) -> None:
        now = self._clock.now()
        changes: list[Change] = []
        for row in rows:
            tally = _tally(job, notification, row)
            changes += outcomes.postponed(tally, [], now=now, due=not_before, reason=QUIET)
        await self._writer.write(*changes)

    async def _give_up(
        self,
        job: Job,
        notification: Row[Any],
        rows: Sequence[Row[Any]],
        status: DeliveryStatus,
        reason: str,
    ) -> None:
        now = self._clock.now()
        changes: list[Change] = []
        for row in rows:
            tally = _tally(job, notification, row)
            changes += outcomes.ended(tally, status, [], now=now, reason=reason)
        if reason == _EXPIRED:
            changes.append((MARK_EXPIRED, {"of": job.notification_id, "now": now}))
        await self._writer.write(*changes, (END_JOB, {"of": job.id}))

    async def _devices(self, job: Job, rows: Sequence[Row[Any]]) -> Mapping[str, Device]:
        """What the addresses of a push batch stand for now."""
        if self._channels[str(job.channel)].spec.scheme != _PUSH:
            return {}
        devices = await self._reader.devices_by_id([UUID(row.address) for row in rows])
        return {str(id): device for id, device in devices.items()}

    def _prepare(self, job: Job, notification: Row[Any], devices: Mapping[str, Device]) -> _Batch:
        """Render, once for all recipients."""
        channel = self._channels[str(job.channel)]
        notifier, rendering = self._renderer.render(notification, job.priority, channel.spec)
        return _Batch(job, notification, channel, notifier, rendering, devices)

    async def _send(self, batch: _Batch, rows: Sequence[Row[Any]]) -> None:
        """Send to `rows`, as many at once as there are connections."""
        remaining = iter(rows)
        width = min(batch.channel.width(urgent=batch.job.priority.urgent), len(rows))
        if width <= 1:
            await self._send_each(batch, remaining)
            return
        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(self._send_each(batch, remaining))

    async def _send_each(self, batch: _Batch, rows: Iterator[Row[Any]]) -> None:
        notification = batch.notification
        for number, row in enumerate(rows, 1):
            device = batch.devices.get(row.address)
            message = Message(
                delivery_id=row.id,
                to=row.address,
                rendering=batch.rendering,
                accepted_at=notification.accepted_at,
                priority=batch.job.priority,
                expires_at=notification.expires_at,
                device=device,
            )
            tally = _tally(batch.job, notification, row, device)
            if self._claims.cancelled(batch.job):
                changes = outcomes.ended(
                    tally, DeliveryStatus.cancelled, [], now=self._clock.now(), reason=_CANCELLED
                )
                outcome = Outcome(changes)
            else:
                with self._claims.delivery(batch.job, row.id):
                    outcome = await self._sending.send(
                        batch.notifier, batch.channel, message, tally
                    )
            # Handed over at once, waited for together: the next send need not wait for a commit.
            batch.written.append((outcome.changes, self._writer.submit(outcome.changes)))
            if outcome.retry_at is not None:
                batch.retries.append(outcome.retry_at)
            if number % _SLICE == 0:
                await asyncio.sleep(0)

    async def _flush(self, batch: _Batch) -> None:
        """See every outcome written. What could not be is tried until it is: it did happen."""
        for changes, written in batch.written:
            try:
                await written
            except Unavailable as error:
                await self._write_in_the_end(changes, error)

    async def _write_in_the_end(self, changes: Sequence[Change], error: Unavailable) -> None:
        while True:
            await self._clock.sleep(error.retry_after)
            try:
                await self._writer.write(*changes)
            except Unavailable as again:
                error = again
            else:
                return

    async def _end(self, job: Job, due: Sequence[int]) -> int | None:
        """Close the batch, or leave what is not done for later."""
        if not due:
            await self._writer.write((END_JOB, {"of": job.id}))
            return None
        soonest = self._clock.now() if self._claims.cancelled(job) else min(due)
        await self._writer.write((POSTPONE_JOB, {"of": job.id, "due": soonest}))
        return soonest


def _tally(job: Job, notification: Row[Any], row: Row[Any], device: Device | None = None) -> Tally:
    return Tally(
        delivery_id=row.id,
        notification_id=job.notification_id,
        kind=notification.kind,
        channel=str(job.channel),
        priority=job.priority,
        expires_at=notification.expires_at,
        attempts=row.attempts,
        first_attempt_at=row.first_attempt_at,
        device_id=device.id if device is not None else None,
    )
