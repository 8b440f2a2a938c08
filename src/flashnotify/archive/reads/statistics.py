"""Reads of statistics."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from flashnotify.archive.models import Latency as LatencyRow
from flashnotify.archive.models import Total as TotalRow
from flashnotify.archive.reads.reading import Access
from flashnotify.archive.records import Latency, Total


class SqlStatistics(Access):
    """Implements `Statistics`. Every write keeps them as it goes."""

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
