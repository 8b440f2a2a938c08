"""Statistics, kept by the writes themselves: counts by ten minutes, latencies by the minute."""

from bisect import bisect_left
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from flashnotify.archive.models import Count
from flashnotify.archive.models import Latency as LatencyRow
from flashnotify.archive.models import Total as TotalRow
from flashnotify.archive.records import LATENCY_BOUNDS, Attempt, Latency, Total
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.changes import Change, Stage, upsert
from flashnotify.domain import AttemptOutcome, DeliveryStatus

# Milliseconds that one row of counts, and one of latencies, covers.
TOTAL_SPAN = 600_000
LATENCY_SPAN = 60_000
ADD_COUNT = upsert(Count, Stage.totals, add=("deliveries",))
ADD_TOTAL = upsert(TotalRow, Stage.totals, add=("number",))
ADD_LATENCY = upsert(LatencyRow, Stage.totals, add=("attempts", "failures"))


class SqlStatistics(Access):
    """Implements `Statistics`."""

    async def totals(self, since: int) -> Sequence[Total]:
        by = (TotalRow.kind, TotalRow.channel, TotalRow.status)
        query = (
            select(*by, func.sum(TotalRow.number).label("number"))
            .where(TotalRow.since >= since)
            .group_by(*by)
            .order_by(*by)
        )
        rows = await self._lists.all(query, {})
        return [Total(row.kind, row.channel, row.status, int(row.number)) for row in rows]

    async def latencies(self, since: int) -> Sequence[Latency]:
        by = (LatencyRow.channel, LatencyRow.transport, LatencyRow.bucket)
        query = (
            select(
                *by,
                func.sum(LatencyRow.attempts).label("attempts"),
                func.sum(LatencyRow.failures).label("failures"),
            )
            .where(LatencyRow.since >= since)
            .group_by(*by)
            .order_by(*by)
        )
        buckets: dict[tuple[str, str], dict[int, int]] = {}
        failures: dict[tuple[str, str], int] = {}
        for row in await self._lists.all(query, {}):
            of = (row.channel, row.transport)
            buckets.setdefault(of, {})[row.bucket] = int(row.attempts)
            failures[of] = failures.get(of, 0) + int(row.failures)
        return [
            Latency(*of, sum(found.values()), failures[of], found) for of, found in buckets.items()
        ]


def count(notification_id: UUID, channel: str, status: DeliveryStatus, number: int) -> Change:
    """Return the change that a notification has `number` more deliveries in a status."""
    return ADD_COUNT, {
        "notification_id": notification_id,
        "channel": channel,
        "status": status,
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
