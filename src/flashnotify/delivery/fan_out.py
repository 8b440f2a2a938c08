"""Expands a notification: audience → recipients → routes → deliveries, in batches."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from flashnotify.archive.reads.reader import Reader
from flashnotify.archive.writer import Writer
from flashnotify.archive.writes.changes import Change
from flashnotify.archive.writes.statements import (
    ADD_COUNT,
    ADD_DELIVERY,
    ADD_JOB,
    END_JOB,
    EXPAND_NOTIFICATION,
    EXPIRE_NOTIFICATION,
    FINISH_SOME,
    POSTPONE_JOB,
)
from flashnotify.clock import Clock
from flashnotify.delivery.in_flight import Claims
from flashnotify.delivery.routing import QUIET, Occasion, Route, Routing
from flashnotify.domain import BATCH_SIZE, Address, DeliveryStatus, Job, NotificationStatus
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec

# Recipients expanded in one commit; the progress is kept, so that a crash repeats none of them.
_SLICE = 400
_RETRY_AFTER = 30_000


class Expansion:
    """Turns the job of a whole notification into jobs of batches."""

    def __init__(
        self,
        kinds: Registry[NotifierSpec],
        reader: Reader,
        writer: Writer,
        claims: Claims,
        routing: Routing,
        clock: Clock,
        ids: Callable[[], UUID],
    ) -> None:
        self._kinds = kinds
        self._routing = routing
        self._reader = reader
        self._writer = writer
        self._claims = claims
        self._clock = clock
        self._ids = ids

    async def expand(self, job: Job, enqueue: Callable[[Job], None]) -> int | None:
        """Make the deliveries of a notification, and enqueue each batch once it is on disk.

        Batches that have to wait stay there. Returns when the first of them is due, in milliseconds
        since the epoch, or None if none waits.
        """
        notification = await self._reader.notification(job.notification_id)
        if notification is None or NotificationStatus(notification.status).over:
            await self._writer.write((END_JOB, {"of": job.id}))
            return None
        now = self._clock.now()
        if notification.expires_at is not None and now >= notification.expires_at:
            await self._writer.write(
                (EXPIRE_NOTIFICATION, {"of": notification.id, "now": now}),
                (END_JOB, {"of": job.id}),
            )
            return None
        return await self._make(job, notification, enqueue)

    async def fail(self, job: Job, error: Exception) -> int:
        """Leave a job that broke off for later; when, in milliseconds since the epoch."""
        due = self._clock.now() + _RETRY_AFTER
        await self._writer.write((POSTPONE_JOB, {"of": job.id, "due": due}))
        return due

    async def _make(
        self, job: Job, notification: Row[Any], enqueue: Callable[[Job], None]
    ) -> int | None:
        recipients = [_address(entry) for entry in json.loads(notification.audience)]
        channels = json.loads(notification.channels) if notification.channels else None
        kind = self._kinds.get(notification.kind)
        start = notification.expanded
        if start >= len(recipients):
            # The commit that expanded the last recipient ended the job too.
            return None
        later: list[int] = []
        while True:
            end = min(start + _SLICE, len(recipients))
            routes: Iterable[Route] = ()
            if kind is not None:
                occasion = Occasion(job.priority, notification.expires_at, self._clock.now())
                routes = self._routing.routes(kind, recipients[start:end], channels, occasion)
            changes, batches = self._slice(job, routes, end)
            if self._claims.cancelled(job):
                await self._writer.write((END_JOB, {"of": job.id}))
                return None
            last = end == len(recipients)
            if last:
                now = self._clock.now()
                changes.append((FINISH_SOME, {"of": notification.id, "finished": 1, "now": now}))
                changes.append((END_JOB, {"of": job.id}))
            await self._writer.write(*changes)
            for batch, not_before in batches:
                if not_before is None:
                    enqueue(batch)
                else:
                    later.append(not_before)
            if last:
                return min(later, default=None)
            start = end

    def _slice(
        self, job: Job, routes: Iterable[Route], upto: int
    ) -> tuple[list[Change], list[tuple[Job, int | None]]]:
        """The writes for some recipients, and the batches they make, each with when it may go."""
        now = self._clock.now()
        changes: list[Change] = []
        open_batches: dict[tuple[str, int | None], tuple[Job, int]] = {}
        batches: list[tuple[Job, int | None]] = []
        counts: Counter[tuple[str, DeliveryStatus]] = Counter()
        for way in routes:
            key = (way.channel, way.not_before)
            batch, size = open_batches.get(key, (None, BATCH_SIZE))
            if batch is None or size == BATCH_SIZE:
                batch, size = (
                    Job(self._ids(), job.notification_id, job.priority, way.channel),
                    0,
                )
                batches.append((batch, way.not_before))
            open_batches[key] = (batch, size + 1)
            status = DeliveryStatus.skipped if way.skipped else DeliveryStatus.queued
            counts[way.channel, status] += 1
            changes.append(
                (
                    ADD_DELIVERY,
                    {
                        "id": self._ids(),
                        "notification_id": job.notification_id,
                        "job_id": batch.id,
                        "channel": way.channel,
                        "address": way.address.value,
                        "status": status,
                        "reason": QUIET if way.not_before is not None else way.skipped,
                        "attempts": 0,
                        "due_at": now if way.not_before is None else way.not_before,
                        "first_attempt_at": None,
                        "updated_at": now,
                    },
                )
            )
        changes.extend(
            (ADD_JOB, batch.row(due_at=now if not_before is None else not_before))
            for batch, not_before in batches
        )
        changes.extend(
            (
                ADD_COUNT,
                {
                    "notification_id": job.notification_id,
                    "channel": channel,
                    "status": status,
                    "deliveries": number,
                },
            )
            for (channel, status), number in counts.items()
        )
        queued = sum(n for (_, status), n in counts.items() if status is DeliveryStatus.queued)
        changes.append(
            (
                EXPAND_NOTIFICATION,
                {"of": job.notification_id, "upto": upto, "more": queued, "now": now},
            )
        )
        return changes, batches


def _address(entry: str) -> Address:
    scheme, _, value = entry.partition(":")
    return Address(scheme, value)
