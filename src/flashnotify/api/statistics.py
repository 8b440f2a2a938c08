"""`/v1/stats`, `/v1/performance` and `/v1/queue`: counts, latencies, depths and ages."""

from datetime import datetime
from operator import attrgetter
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from flashnotify.api.auth import Reader
from flashnotify.archive.ports import Jobs, Statistics
from flashnotify.archive.records import ACCEPTED
from flashnotify.clock import Clock
from flashnotify.domain import moment
from flashnotify.queue.dispatch import Dispatch
from flashnotify.telemetry.statistics import percentile, seconds_due

_HOUR = 3_600_000
_WINDOWS = {"1h": _HOUR, "24h": 24 * _HOUR, "7d": 7 * 24 * _HOUR, "30d": 30 * 24 * _HOUR}
Window = Annotated[Literal["1h", "24h", "7d", "30d"], Query(description="How far back from now.")]


class StatsOut(BaseModel):
    """Accepted notifications by kind, and deliveries by kind, channel and status."""

    window: str
    since: datetime
    accepted: dict[str, int]
    deliveries: dict[str, dict[str, dict[str, int]]]


class PerformanceOut(BaseModel):
    """The attempts of one transport of a channel. Percentiles are in milliseconds."""

    channel: str
    transport: str
    attempts: int
    failures: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class PerformanceList(BaseModel):
    """The attempts of every transport."""

    window: str
    since: datetime
    items: list[PerformanceOut]


class LaneOut(BaseModel):
    """One lane: the batches of a channel, or the fan-outs (`channel` null), of one priority.

    `depth` counts the jobs in memory; more may be on disk. `oldest_seconds` is how long the oldest
    job has been due, in memory or on disk.
    """

    channel: str | None
    priority: str
    depth: int
    in_flight: int
    bound: int
    more_on_disk: bool
    oldest_seconds: float


class QueueOut(BaseModel):
    """Every lane, the most urgent first."""

    lanes: list[LaneOut]


def statistics_router(
    statistics: Statistics, dispatch: Dispatch, jobs: Jobs, clock: Clock
) -> APIRouter:
    """Return the endpoints `/v1/queue`, `/v1/stats` and `/v1/performance`."""
    router = APIRouter(prefix="/v1", tags=["statistics"])

    @router.get(
        "/queue",
        summary="Get the depth and age of the queues",
        description="A lane for each channel and priority: how many jobs wait, and how long the "
        "oldest has been due.",
    )
    async def show_queue(_: Reader) -> QueueOut:
        lanes = []
        for lane in dispatch.lanes():
            queue = dispatch.queue(lane.channel)
            oldest = seconds_due(await jobs.oldest_due(lane), clock.now())
            lanes.append(
                LaneOut(
                    channel=lane.channel,
                    priority=lane.priority.name,
                    depth=queue.depth()[lane.priority],
                    in_flight=queue.in_flight(lane.priority),
                    bound=queue.bound,
                    more_on_disk=queue.has_overflowed(lane.priority),
                    oldest_seconds=oldest,
                )
            )
        return QueueOut(lanes=lanes)

    @router.get(
        "/stats",
        summary="Count notifications and deliveries",
        description="Counts by kind, channel and status, over a window of time that ends now.",
    )
    async def show_stats(_: Reader, window: Window = "24h") -> StatsOut:
        since = clock.now() - _WINDOWS[window]
        accepted: dict[str, int] = {}
        deliveries: dict[str, dict[str, dict[str, int]]] = {}
        for total in await statistics.totals(since):
            if total.status == ACCEPTED:
                accepted[total.kind] = total.number
            else:
                by_channel = deliveries.setdefault(total.kind, {})
                by_channel.setdefault(total.channel, {})[total.status] = total.number
        return StatsOut(
            window=window, since=moment(since), accepted=accepted, deliveries=deliveries
        )

    @router.get(
        "/performance",
        summary="Get latency percentiles by transport",
        description="Attempts, failures and the 50th, 95th and 99th percentile of the duration of "
        "an attempt.",
    )
    async def show_performance(_: Reader, window: Window = "1h") -> PerformanceList:
        since = clock.now() - _WINDOWS[window]
        items = [
            PerformanceOut(
                channel=found.channel,
                transport=found.transport,
                attempts=found.attempts,
                failures=found.failures,
                **{f"p{part}_ms": percentile(found.buckets, part / 100) for part in (50, 95, 99)},
            )
            for found in await statistics.latencies(since)
        ]
        items.sort(key=attrgetter("channel", "transport"))
        return PerformanceList(window=window, since=moment(since), items=items)

    return router
