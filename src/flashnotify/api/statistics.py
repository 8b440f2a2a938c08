"""`/v1/queue`, `/v1/stats`, `/v1/performance`: how much there is to do, was done, and how fast."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from flashnotify.api.problems import problems
from flashnotify.api.requests import Authenticate
from flashnotify.archive.reads.reader import Reader
from flashnotify.clock import Clock
from flashnotify.domain import Job, Priority, moment
from flashnotify.identity.principal import READ, Caller
from flashnotify.queue.async_queue import AsyncQueue
from flashnotify.telemetry.statistics import ACCEPTED, percentile

_HOUR = 3_600_000
_WINDOWS = {"1h": _HOUR, "24h": 24 * _HOUR, "7d": 7 * 24 * _HOUR, "30d": 30 * 24 * _HOUR}
Window = Annotated[Literal["1h", "24h", "7d", "30d"], Query(description="How far back from now.")]


class LaneOut(BaseModel):
    """One lane. `depth` are the jobs in memory; more of it may wait on disk.

    `oldest_seconds` is how long the longest waiting job has been due, in memory or on disk.
    """

    lane: str
    depth: int
    bound: int
    more_on_disk: bool
    oldest_seconds: float


class QueueOut(BaseModel):
    """The queue, most urgent lane first."""

    lanes: list[LaneOut]
    in_hand: int


class StatsOut(BaseModel):
    """What was accepted by kind, and what became of deliveries by kind, channel and status."""

    window: str
    since: datetime
    accepted: dict[str, int]
    deliveries: dict[str, dict[str, dict[str, int]]]


class PerformanceOut(BaseModel):
    """How one transport of a channel did. Percentiles are milliseconds of an attempt."""

    channel: str
    transport: str
    attempts: int
    failures: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class PerformanceList(BaseModel):
    """How each transport did."""

    window: str
    since: datetime
    items: list[PerformanceOut]


def statistics_router(
    reader: Reader, queue: AsyncQueue[Job], clock: Clock, authenticate: Authenticate
) -> APIRouter:
    """The endpoints `/v1/queue`, `/v1/stats` and `/v1/performance`."""
    router = APIRouter(prefix="/v1", tags=["statistics"])

    @router.get(
        "/queue", summary="What there is to do", responses=problems(401, 403, 422, 429, 503)
    )
    async def show_queue(caller: Annotated[Caller, Depends(authenticate)]) -> QueueOut:
        caller.require(READ)
        now = clock.now()
        lanes = []
        for lane, depth in queue.depth().items():
            oldest = await reader.oldest_due(Priority(lane))
            waited = max(0, now - oldest) / 1000 if oldest is not None else 0.0
            lanes.append(
                LaneOut(
                    lane=lane.name,
                    depth=depth,
                    bound=queue.bound,
                    more_on_disk=queue.has_overflowed(lane),
                    oldest_seconds=waited,
                )
            )
        return QueueOut(lanes=lanes, in_hand=queue.held - sum(queue.depth().values()))

    @router.get("/stats", summary="What was done", responses=problems(401, 403, 422, 429, 503))
    async def show_stats(
        caller: Annotated[Caller, Depends(authenticate)], window: Window = "24h"
    ) -> StatsOut:
        caller.require(READ)
        since = clock.now() - _WINDOWS[window]
        accepted: dict[str, int] = {}
        deliveries: dict[str, dict[str, dict[str, int]]] = {}
        for row in await reader.totals(since):
            if row.status == ACCEPTED:
                accepted[row.kind] = row.number
            else:
                by_channel = deliveries.setdefault(row.kind, {})
                by_channel.setdefault(row.channel, {})[row.status] = row.number
        return StatsOut(
            window=window, since=moment(since), accepted=accepted, deliveries=deliveries
        )

    @router.get(
        "/performance", summary="How fast it was", responses=problems(401, 403, 422, 429, 503)
    )
    async def show_performance(
        caller: Annotated[Caller, Depends(authenticate)], window: Window = "1h"
    ) -> PerformanceList:
        caller.require(READ)
        since = clock.now() - _WINDOWS[window]
        buckets: dict[tuple[str, str], dict[int, int]] = {}
        failures: dict[tuple[str, str], int] = {}
        for row in await reader.latencies(since):
            of = (row.channel, row.transport)
            buckets.setdefault(of, {})[row.bucket] = row.attempts
            failures[of] = failures.get(of, 0) + row.failures
        items = [
            PerformanceOut(
                channel=channel,
                transport=transport,
                attempts=sum(found.values()),
                failures=failures[channel, transport],
                p50_ms=percentile(found, 0.5),
                p95_ms=percentile(found, 0.95),
                p99_ms=percentile(found, 0.99),
            )
            for (channel, transport), found in sorted(buckets.items())
        ]
        return PerformanceList(window=window, since=moment(since), items=items)

    return router
