"""`/v1/stats` and `/v1/performance`: counts and latencies."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from flashnotify.api.auth import Reader
from flashnotify.archive.statistics_port import Statistics
from flashnotify.archive.statistics_records import ACCEPTED
from flashnotify.archive.windows import WINDOWS
from flashnotify.clock import Clock
from flashnotify.domain import moment
from flashnotify.telemetry.metrics import FAN_OUT
from flashnotify.telemetry.statistics import percentile

Window = Annotated[
    Literal["1h", "24h", "7d", "30d"],
    Query(description="How far back from now, to the whole ten minutes, hour, six hours or day."),
]


class StatsOut(BaseModel):
    """Accepted notifications by kind, and deliveries by kind, channel and status.

    `waiting` counts the deliveries that wait now, by channel and reason.
    """

    window: str
    since: datetime
    accepted: dict[str, int]
    deliveries: dict[str, dict[str, dict[str, int]]]
    waiting: Mapping[str, Mapping[str, int]]


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


def statistics_router(statistics: Statistics, clock: Clock) -> APIRouter:
    """Return the endpoints `/v1/stats` and `/v1/performance`."""
    router = APIRouter(prefix="/v1", tags=["statistics"])

    @router.get(
        "/stats",
        summary="Count notifications and deliveries",
        description="Counts by kind, channel and status, over a window of time that ends now, "
        "and what waits now.",
    )
    async def get_statistics(_: Reader, window: Window = "24h") -> StatsOut:
        since = WINDOWS[window].since(clock.now())
        accepted: dict[str, int] = {}
        deliveries: dict[str, dict[str, dict[str, int]]] = {}
        for total in await statistics.totals(since):
            if total.status == ACCEPTED:
                accepted[total.kind] = total.number
            else:
                by_channel = deliveries.setdefault(total.kind, {})
                by_channel.setdefault(total.channel, {})[total.status] = total.number
        waiting: dict[str, Counter[str]] = defaultdict(Counter)
        for held in await statistics.waiting():
            waiting[held.lane.channel or FAN_OUT][held.reason] += held.number
        return StatsOut(
            window=window,
            since=moment(since),
            accepted=accepted,
            deliveries=deliveries,
            waiting=waiting,
        )

    @router.get(
        "/performance",
        summary="Get latency percentiles by transport",
        description="Attempts, failures and the 50th, 95th and 99th percentile of the duration of "
        "an attempt.",
    )
    async def get_performance(_: Reader, window: Window = "1h") -> PerformanceList:
        since = WINDOWS[window].since(clock.now())
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
