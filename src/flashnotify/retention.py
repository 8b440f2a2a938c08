"""Forgets what has been kept long enough, in slices that never hold the writer for long."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from flashnotify.archive.changes import Change
from flashnotify.archive.reader import Reader
from flashnotify.archive.statements import (
    FORGET_ATTEMPTS,
    FORGET_COUNTS,
    FORGET_DELIVERY,
    FORGET_EVENTS,
    FORGET_IDEMPOTENCY_KEYS,
    FORGET_JOBS,
    FORGET_LATENCIES,
    FORGET_NOTIFICATION,
    FORGET_OUTBOX,
    FORGET_TOTALS,
)
from flashnotify.archive.writer import Writer
from flashnotify.clock import Clock
from flashnotify.domain import IDEMPOTENCY_LIFETIME
from flashnotify.meta.specs import NotifierSpec

_DAY = 24 * 3_600_000
_TOTALS = 400 * _DAY
_LATENCIES = 30 * _DAY
_EVENTS = 100_000
# Rows that one slice removes, about.
_SLICE = 500


class Retention:
    """Each kind says for how long its notifications are kept once they are over."""

    def __init__(
        self, kinds: Iterable[NotifierSpec], reader: Reader, writer: Writer, clock: Clock
    ) -> None:
        self._kinds = kinds
        self._reader = reader
        self._writer = writer
        self._clock = clock

    async def forget_some(self) -> bool:
        """Forget one slice; true if there may be more."""
        now = self._clock.now()
        last = await self._reader.last_event()
        await self._writer.write(
            (FORGET_IDEMPOTENCY_KEYS, {"before": now - IDEMPOTENCY_LIFETIME}),
            (FORGET_TOTALS, {"before": now - _TOTALS}),
            (FORGET_LATENCIES, {"before": now - _LATENCIES}),
            (FORGET_EVENTS, {"upto": last - _EVENTS}),
        )
        for kind in self._kinds:
            before = now - round(kind.retention.total_seconds() * 1000)
            over = await self._reader.forgettable(kind.kind, before, _SLICE)
            if over:
                await self._forget(over)
                return True
        return False

    async def _forget(self, notifications: Iterable[UUID]) -> None:
        """Forget a slice of what belongs to these, or these themselves once nothing does."""
        ids = list(notifications)
        changes: list[Change] = []
        deliveries = await self._reader.deliveries_of(ids, _SLICE)
        if deliveries:
            changes += [(FORGET_ATTEMPTS, {"of": id}) for id in deliveries]
            changes += [(FORGET_DELIVERY, {"of": id}) for id in deliveries]
        else:
            for statement in (FORGET_OUTBOX, FORGET_COUNTS, FORGET_JOBS, FORGET_NOTIFICATION):
                changes += [(statement, {"of": id}) for id in ids]
        await self._writer.write(*changes)
