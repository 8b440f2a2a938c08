"""Forgets what has been kept long enough, in slices that never hold the writer for long."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from uuid import UUID

from flashnotify.archive.reads.aged import Aged
from flashnotify.archive.reads.reader import Reader
from flashnotify.archive.writer import Writer
from flashnotify.archive.writes.changes import Change, Statement
from flashnotify.archive.writes.statements import (
    FORGET_ATTEMPTS,
    FORGET_COUNTS,
    FORGET_DELIVERY,
    FORGET_EVENTS,
    FORGET_IDEMPOTENCY_KEY,
    FORGET_JOBS,
    FORGET_LATENCIES,
    FORGET_NOTIFICATION,
    FORGET_OUTBOX_MESSAGE,
    FORGET_TOTALS,
)
from flashnotify.clock import Clock
from flashnotify.domain import IDEMPOTENCY_LIFETIME
from flashnotify.meta.specs import NotifierSpec

# How long statistics are kept, and how much of their time one slice takes: milliseconds.
_HOUR = 3_600_000
_DAY = 24 * _HOUR
_TOTALS = 400 * _DAY
_LATENCIES = 30 * _DAY
# Events kept.
EVENTS = 100_000
# Rows that one slice removes, about; and notifications, whose audiences may be long.
SLICE = 500
_NOTIFICATIONS = 100


class Retention:
    """Each kind says for how long its notifications are kept once they are over."""

    def __init__(
        self, kinds: Iterable[NotifierSpec], reader: Reader, writer: Writer, clock: Clock
    ) -> None:
        self._kinds = kinds
        self._reader = reader
        self._aged = Aged(reader)
        self._writer = writer
        self._clock = clock

    async def forget_some(self) -> bool:
        """Forget one slice; true if there may be more."""
        now = self._clock.now()
        return (
            await self._forget_keys(now)
            or await self._forget_numbered(
                FORGET_EVENTS,
                await self._aged.first_event(),
                await self._reader.last_event() - EVENTS + 1,
                SLICE,
            )
            or await self._forget_numbered(
                FORGET_TOTALS, await self._aged.first_total(), now - _TOTALS, _DAY
            )
            or await self._forget_numbered(
                FORGET_LATENCIES, await self._aged.first_latency(), now - _LATENCIES, _HOUR
            )
            or await self._forget_notifications(now)
        )

    async def _forget_keys(self, now: int) -> bool:
        old = await self._aged.idempotency_keys(now - IDEMPOTENCY_LIFETIME, SLICE)
        if old:
            await self._writer.write(*((FORGET_IDEMPOTENCY_KEY, row._asdict()) for row in old))
        return bool(old)

    async def _forget_numbered(
        self, forget: Statement, first: int | None, end: int, step: int
    ) -> bool:
        """Forget what is numbered from `first` on and before `end`, as far as one `step` goes."""
        if first is None or first >= end:
            return False
        await self._writer.write((forget, {"before": min(first + step, end)}))
        return True

    async def _forget_notifications(self, now: int) -> bool:
        for kind in self._kinds:
            before = now - round(kind.retention.total_seconds() * 1000)
            over = await self._aged.notifications(kind.kind, before, _NOTIFICATIONS)
            if over:
                await self._forget(over)
                return True
        return False

    async def _forget(self, ids: Sequence[UUID]) -> None:
        """Forget a slice of what belongs to these, or these themselves once nothing does."""
        messages = await self._aged.messages(ids, SLICE)
        deliveries = await self._aged.deliveries(ids, SLICE)
        # Each is so many rows with its attempts, of which there may be hundreds.
        rows = list(accumulate(row.attempts + 1 for row in deliveries))
        some = [row.id for row in deliveries[: max(1, bisect_right(rows, SLICE))]]
        changes: list[Change] = [(FORGET_OUTBOX_MESSAGE, {"of": id}) for id in messages]
        for statement in (FORGET_ATTEMPTS, FORGET_DELIVERY):
            changes += [(statement, {"of": id}) for id in some]
        if not changes:
            for statement in (FORGET_COUNTS, FORGET_JOBS, FORGET_NOTIFICATION):
                changes += [(statement, {"of": id}) for id in ids]
        await self._writer.write(*changes)
