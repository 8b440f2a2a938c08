"""Purges of what has been kept long enough, in slices that never hold the writer for long."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate
from uuid import UUID

from sqlalchemy import bindparam, delete

from flashnotify.archive.models import (
    Attempt,
    Count,
    Delivery,
    Event,
    IdempotencyKey,
    JobRow,
    Latency,
    Notification,
    OutboxMessage,
    Total,
)
from flashnotify.archive.reads.maintenance import MaintenanceReads
from flashnotify.archive.writes.changes import Change, Stage, Statement

# Notifications of one slice, since their audiences may be long.
_NOTIFICATIONS = 100

# Rows go before the rows that they refer to, in the order of each write.
PURGE_ATTEMPTS = Statement(
    delete(Attempt).where(Attempt.delivery_id == bindparam("of")), Stage.endings
)
PURGE_DELIVERY = Statement(delete(Delivery).where(Delivery.id == bindparam("of")), Stage.endings)
PURGE_MESSAGE = Statement(
    delete(OutboxMessage).where(OutboxMessage.id == bindparam("of")), Stage.endings
)
PURGE_COUNTS = Statement(
    delete(Count).where(Count.notification_id == bindparam("of")), Stage.endings
)
PURGE_JOBS = Statement(
    delete(JobRow).where(JobRow.notification_id == bindparam("of")), Stage.endings
)
PURGE_NOTIFICATION = Statement(
    delete(Notification).where(Notification.id == bindparam("of")), Stage.endings
)
PURGE_EVENTS = Statement(delete(Event).where(Event.id < bindparam("before")), Stage.endings)
PURGE_TOTALS = Statement(delete(Total).where(Total.since < bindparam("before")), Stage.endings)
PURGE_LATENCIES = Statement(
    delete(Latency).where(Latency.since < bindparam("before")), Stage.endings
)
# A new answer for the same key, in the same commit, stays.
PURGE_IDEMPOTENCY_KEY = Statement(
    delete(IdempotencyKey).where(
        IdempotencyKey.caller == bindparam("caller"),
        IdempotencyKey.key == bindparam("key"),
        IdempotencyKey.created_at < bindparam("before"),
    ),
    Stage.endings,
)


class MaintenanceWrites(MaintenanceReads):
    """The port `Maintenance`."""

    async def purge_idempotency_keys(self, before: int, limit: int) -> bool:
        old = await self.old_idempotency_keys(before, limit)
        rows = ({"caller": row.caller, "key": row.key, "before": before} for row in old)
        return await self._purge([(PURGE_IDEMPOTENCY_KEY, row) for row in rows])

    async def purge_events(self, keep: int, limit: int) -> bool:
        first, last = await self.event_numbers()
        if first is None or last is None:
            return False
        return await self._purge_from(PURGE_EVENTS, first, last - keep + 1, limit)

    async def purge_totals(self, before: int, span: int) -> bool:
        return await self._purge_from(PURGE_TOTALS, await self.first(Total), before, span)

    async def purge_latencies(self, before: int, span: int) -> bool:
        return await self._purge_from(PURGE_LATENCIES, await self.first(Latency), before, span)

    async def purge_notifications(
        self, kind: str | None, known: Collection[str], before: int, limit: int
    ) -> bool:
        for each in [kind] if kind is not None else await self.unknown_kinds(known):
            old = await self.old_notifications(each, before, min(limit, _NOTIFICATIONS))
            if old:
                return await self._purge(await self._parts(old, limit))
        return False

    async def _parts(self, ids: Sequence[UUID], limit: int) -> list[Change]:
        """Return the purge of a slice of their parts, or of themselves once no part is left."""
        deliveries = await self.deliveries_of(ids, limit)
        # Each is as many rows as it has attempts, of which there may be hundreds, and one.
        rows = list(accumulate(row.attempts + 1 for row in deliveries))
        some = [row.id for row in deliveries[: max(1, bisect_right(rows, limit))]]
        changes: list[Change] = [
            (PURGE_MESSAGE, {"of": id}) for id in await self.messages_of(ids, limit)
        ]
        for statement in (PURGE_ATTEMPTS, PURGE_DELIVERY):
            changes += [(statement, {"of": id}) for id in some]
        if not changes:
            for statement in (PURGE_COUNTS, PURGE_JOBS, PURGE_NOTIFICATION):
                changes += [(statement, {"of": id}) for id in ids]
        return changes

    async def _purge_from(
        self, statement: Statement, first: int | None, end: int, step: int
    ) -> bool:
        if first is None or first >= end:
            return False
        return await self._purge([(statement, {"before": min(first + step, end)})])

    async def _purge(self, changes: Sequence[Change]) -> bool:
        if changes:
            await self._writer.write(*changes)
        return bool(changes)
