"""`/healthz`, `/readyz` and `/metrics`, for monitoring."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from flashnotify.archive.ports import Archive
from flashnotify.clock import Clock
from flashnotify.delivery.breaker import Breaker, BreakerState
from flashnotify.delivery.transports import OpenChannel
from flashnotify.errors import Unavailable
from flashnotify.queue.dispatch import Dispatch
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from flashnotify.runtime.supervisor import Supervisor
from flashnotify.telemetry.metrics import FAN_OUT, Metrics
from flashnotify.telemetry.statistics import seconds_due

# Seconds for a read of the archive; a slower one makes the service not ready.
_READ_TIMEOUT = 2.0


class Health(BaseModel):
    """The process is alive."""

    status: str


class Readiness(BaseModel):
    """The state of the service, part by part.

    `degraded`: it accepts, but a transport is failing or a thread is lost to a call that hangs.
    `failed`: it does not accept.
    """

    status: str
    parts: dict[str, str]


def health_router(
    supervisor: Supervisor,
    archive: Archive,
    dispatch: Dispatch,
    threads: ThreadPoolQueue,
    channels: Mapping[str, OpenChannel],
    metrics: Metrics,
    clock: Clock,
) -> APIRouter:
    """Return the endpoints for monitoring. They need no key."""
    router = APIRouter(tags=["health"])
    transports = [transport for channel in channels.values() for transport in channel.transports]

    @router.get(
        "/healthz",
        summary="Check that the process is alive",
        description="A 200 whenever the process answers. It says nothing about the archive or the "
        "transports.",
    )
    async def healthz() -> Health:
        return Health(status="ok")

    @router.get(
        "/readyz",
        summary="Check that the service is ready",
        description="A 200 if the service accepts notifications (`ok`, or `degraded` when a "
        "transport is failing), and a 503 if it does not. `parts` has the state of "
        "each part.",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "The service is not ready."}},
    )
    async def readyz() -> JSONResponse:
        parts = {part: supervisor.failures.get(part, "ok") for part in supervisor.tasks}
        parts["archive"] = "ok"
        try:
            async with asyncio.timeout(_READ_TIMEOUT):
                await archive.ping()
        except Exception as error:  # noqa: BLE001  # any error means that the archive is not ready
            parts["archive"] = type(error).__name__
        status = "ok" if all(state == "ok" for state in parts.values()) else "failed"
        outward = {"threads": threads.state}
        outward |= {f"{t.channel} {t.name}": _state(t.health) for t in transports}
        if status == "ok" and any(state != "ok" for state in outward.values()):
            status = "degraded"
        content = Readiness(status=status, parts=parts | outward)
        return JSONResponse(content.model_dump(), 503 if status == "failed" else 200)

    @router.get(
        "/metrics",
        summary="Get the Prometheus metrics",
        description="In the Prometheus text format.",
        response_class=Response,
    )
    async def prometheus() -> Response:
        for queue_name, queue in dispatch.queues.items():
            for priority, depth in queue.depth().items():
                metrics.queue_depth.labels(queue_name or FAN_OUT, priority.name).set(depth)
        await measure_ages()
        for lane, depth in threads.depth().items():
            metrics.threads_depth.labels(lane.name).set(depth)
        metrics.threads_busy.set(threads.busy)
        metrics.threads_lost.set(threads.lost)
        for transport in transports:
            is_open = transport.health.state is not BreakerState.closed
            metrics.breaker_open.labels(transport.channel, transport.name).set(is_open)
        for part in supervisor.tasks:
            metrics.ready.labels(part).set(part not in supervisor.failures)
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    async def measure_ages() -> None:
        # Without them the other metrics are still of use.
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(_READ_TIMEOUT):
                for lane in dispatch.lanes():
                    age = seconds_due(await archive.jobs.oldest_due(lane), clock.now())
                    labels = (lane.channel or FAN_OUT, lane.priority.name)
                    metrics.queue_age.labels(*labels).set(age)
                waiting = await archive.statistics.waiting()
                metrics.set_waiting(waiting, dispatch.lanes(), clock.now())

    return router


def _state(breaker: Breaker) -> str:
    # Not the provider's text, which /v1/channels shows: this endpoint is public.
    if breaker.misconfigured:
        return "misconfigured"
    return "ok" if breaker.state is BreakerState.closed else breaker.state.value
