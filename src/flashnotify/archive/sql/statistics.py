"""Statistics, kept by the writes themselves: counts by ten minutes, latencies by the minute."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Row, cast, func, literal_column, select

from flashnotify.archive.models import Count as CountRow
from flashnotify.archive.models import JobRow
from flashnotify.archive.records import Attempt
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.changes import Change, Stage, upsert
from flashnotify.archive.sql.jobs import in_lane, oldest_due
from flashnotify.archive.sql.reading import milliseconds_of
from flashnotify.archive.statistics_models import Latency as LatencyRow
from flashnotify.archive.statistics_models import Total as TotalRow
from flashnotify.archive.statistics_models import Waiting as WaitingRow
from flashnotify.archive.statistics_records import LATENCY_BOUNDS, Latency, Total, Waiting
from flashnotify.domain import AttemptOutcome, DeliveryStatus, Lane, Priority, WaitReason

# Milliseconds that one row of counts, and one of latencies, covers.
TOTAL_SPAN = 600_000
LATENCY_SPAN = 60_000
_waiting = (
    select(WaitingRow.__table__)
    .where(WaitingRow.number > 0)
    .order_by(WaitingRow.channel, WaitingRow.priority, WaitingRow.reason)
)
ADD_COUNT = upsert(CountRow, Stage.totals, add=("deliveries",))
ADD_TOTAL = upsert(TotalRow, Stage.totals, add=("number",))
ADD_LATENCY = upsert(LatencyRow, Stage.totals, add=("attempts", "failures"))


class SqlStatistics(Access):
    """Implements `Statistics`."""

    async def totals(self, since: int) -> Sequence[Total]:
        by = (TotalRow.kind, TotalRow.channel, TotalRow.status)
        rows = await self._sums(TotalRow.since >= since, by, TotalRow.number)
        return [Total(*row) for row in rows]

    async def latencies(self, since: int) -> Sequence[Latency]:
        by = (LatencyRow.channel, LatencyRow.transport, LatencyRow.bucket)
        buckets: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
        failures: Counter[tuple[str, str]] = Counter()
        for channel, transport, bucket, attempts, failed in await self._sums(
            LatencyRow.since >= since, by, LatencyRow.attempts, LatencyRow.failures
        ):
            buckets[channel, transport][bucket] = attempts
            failures[channel, transport] += failed
        return [
            Latency(*of, sum(found.values()), failures[of], found) for of, found in buckets.items()
        ]

    async def waiting(self) -> Sequence[Waiting]:
        counted = await self._lists.records(_waiting, {}, _held)
        return [replace(each, since=await self._since(each.lane, each.reason)) for each in counted]

    async def _since(self, lane: Lane, reason: WaitReason) -> int | None:
        if reason is WaitReason.due:
            due: int | None = await self._lists.value(oldest_due(lane))
            return due
        held: tuple[Any, ...] = (JobRow.waiting == reason, literal_column("waiting <> 'due'"))
        oldest = await self._lists.value(select(func.min(JobRow.id)).where(in_lane(lane), *held))
        return None if oldest is None else milliseconds_of(oldest)

    async def _sums(self, which: ColumnElement[bool], by: Sequence[Any], *amounts: Any) -> Any:
        """Return each combination of `by` with the sums of `amounts`."""
        # A cast, since PostgreSQL sums a BIGINT as NUMERIC.
        sums = (cast(func.sum(amount), BigInteger) for amount in amounts)
        query = select(*by, *sums).where(which).group_by(*by).order_by(*by)
        return await self._lists.all(query, {})


def _held(row: Row[Any]) -> Waiting:
    lane = Lane(row.channel or None, Priority(row.priority))
    return Waiting(lane, WaitReason(row.reason), row.number, since=None)


def count(notification_id: UUID, channel: str, status: DeliveryStatus, number: int) -> Change:
    """Return the change that a notification has `number` more deliveries in a status."""
    return ADD_COUNT, {
        "notification_id": notification_id,
        "channel": channel,
        "status": str(status),
        "deliveries": number,
    }


def total(at: int, kind: str, channel: str, status: str, number: int = 1) -> Change:
    """Return the change that `number` more reached a status at `at`."""
    return ADD_TOTAL, {
        "since": at - at % TOTAL_SPAN,
        "kind": kind,
        "channel": channel,
        "status": status,
        "number": number,
    }


def latency(channel: str, attempt: Attempt) -> Change:
    """Return the change that `attempt` counts in the latencies of its transport."""
    return ADD_LATENCY, {
        "since": attempt.at - attempt.at % LATENCY_SPAN,
        "channel": channel,
        "transport": attempt.transport,
        "bucket": bisect_left(LATENCY_BOUNDS, attempt.duration * 1000),
        "attempts": 1,
        "failures": int(attempt.outcome is not AttemptOutcome.sent),
    }
