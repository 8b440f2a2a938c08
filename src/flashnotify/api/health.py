"""`/healthz`, `/readyz` and `/metrics`, for monitoring."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from flashnotify.api.auth import may_read
from flashnotify.api.json_answer import JsonAnswer
from flashnotify.api.kinds import TransportState
from flashnotify.archive.ports import Archive
from flashnotify.clock import Clock
from flashnotify.delivery.breaker import BreakerState
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


class TransportHealth(TransportState):
    """The state of a transport of a channel."""

    channel: str
    name: str


class Readiness(BaseModel):
    """The state of the service, and of each part: `ok`, `degraded` or `failing`.

    `status` is `ok`, `degraded` if the service accepts notifications but a transport is failing or
    a thread is lost to a call that hangs, or `failed` if it does not accept them. A channel is
    `degraded` if only some of its transports are failing. With a key that may read, `parts` gives
    reasons, and `transports` lists the state of each transport.
    """

    status: str
    parts: dict[str, str]
    transports: list[TransportHealth] | None = None


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
    async def get_liveness() -> Health:
        return Health(status="ok")

    @router.get(
        "/readyz",
        summary="Check that the service is ready",
        description="A 200 if the service accepts notifications (`ok`, or `degraded` when a "
        "transport is failing), and a 503 if it does not. `parts` has the state of "
        "each part. With a key that has `read`, `transports` says of each failing one since when, "
        "when the next probe is, and what its last error was.",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "The service is not ready."}},
    )
    async def get_readiness(request: Request) -> JsonAnswer:
        parts = {part: supervisor.failures.get(part, "ok") for part in supervisor.tasks}
        parts["archive"] = "ok"
        try:
            async with asyncio.timeout(_READ_TIMEOUT):
                await archive.ping()
        except Exception as error:  # noqa: BLE001  # any error means that the archive is not ready
            parts["archive"] = type(error).__name__
        status = "ok" if all(state == "ok" for state in parts.values()) else "failed"
        outward = {"threads": threads.state}
        outward |= {name: _state(opened) for name, opened in channels.items() if opened.transports}
        if status == "ok" and any(state != "ok" for state in outward.values()):
            status = "degraded"
        parts |= outward
        if await may_read(request):
            health = [TransportHealth.model_validate(t, from_attributes=True) for t in transports]
            content = Readiness(status=status, parts=parts, transports=health)
        else:
            content = Readiness(status=status, parts=_without_details(parts))
        body = content.model_dump(mode="json", exclude_none=content.transports is None)
        return JsonAnswer(body, 503 if status == "failed" else 200)

    @router.get(
        "/metrics",
        summary="Get the Prometheus metrics",
        description="In the Prometheus text format.",
        response_class=Response,
    )
    async def get_metrics() -> Response:
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
            named = metrics.transport(transport.name, transport.label)
            metrics.breaker_open.labels(transport.channel, named).set(is_open)
        for part in supervisor.tasks:
            metrics.ready.labels(part).set(part not in supervisor.failures)
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    async def measure_ages() -> None:
        # Without them the other metrics are still of use.
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(_READ_TIMEOUT):
                oldest = await archive.jobs.oldest_due(dispatch.lanes())
                for lane in dispatch.lanes():
                    age = seconds_due(oldest.get(lane), clock.now())
                    labels = (lane.channel or FAN_OUT, lane.priority.name)
                    metrics.queue_age.labels(*labels).set(age)
                waiting = await archive.statistics.waiting()
                metrics.set_waiting(waiting, dispatch.lanes(), clock.now())

    return router


def _state(channel: OpenChannel) -> str:
    """Return the state of a channel: without its transports' names, which are of hosts."""
    states = {transport.health.status for transport in channel.transports}
    if "failing" not in states:
        return "ok"
    return "degraded" if "ok" in states else "failing"


def _without_details(parts: Mapping[str, str]) -> dict[str, str]:
    """Return the parts as anyone may see them."""
    return {
        part: state if state in ("ok", "degraded") else "failing" for part, state in parts.items()
    }
