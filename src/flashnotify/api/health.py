"""`/healthz`, `/readyz`, `/metrics`: for those who watch the service."""

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from flashnotify.archive.reads.reader import Reader
from flashnotify.delivery.breaker import BreakerState
from flashnotify.delivery.transports import OpenChannel
from flashnotify.domain import Job
from flashnotify.queue.async_queue import AsyncQueue
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from flashnotify.runtime.supervisor import Supervisor
from flashnotify.telemetry.metrics import Metrics

# Seconds that a read of the archive may take before the service counts as not ready.
_PATIENCE = 2.0


class Health(BaseModel):
    """The process answers."""

    status: str


class Readiness(BaseModel):
    """Whether the service does its work, part by part.

    `degraded`: it accepts, and some transport does not work or some thread is lost to a call that
    does not end. `failed`: it does not accept.
    """

    status: str
    parts: dict[str, str]


def health_router(
    supervisor: Supervisor,
    reader: Reader,
    queue: AsyncQueue[Job],
    threads: ThreadPoolQueue,
    channels: Mapping[str, OpenChannel],
    metrics: Metrics,
) -> APIRouter:
    """The endpoints that need no key."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Is the process alive?")
    async def healthz() -> Health:
        return Health(status="ok")

    @router.get(
        "/readyz",
        summary="Does the service do its work?",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "It does not."}},
    )
    async def readyz() -> JSONResponse:
        parts = await core_parts()
        status = "ok" if all(state == "ok" for state in parts.values()) else "failed"
        outward = {"threads": threads.state} | transport_parts()
        if status == "ok" and any(state != "ok" for state in outward.values()):
            status = "degraded"
        content = Readiness(status=status, parts=parts | outward)
        return JSONResponse(content.model_dump(), 503 if status == "failed" else 200)

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def prometheus() -> Response:
        for lane, depth in queue.depth().items():
            metrics.queue_depth.labels(lane.name).set(depth)
        for lane, depth in threads.depth().items():
            metrics.threads_depth.labels(lane.name).set(depth)
        metrics.threads_busy.set(threads.busy)
        metrics.threads_lost.set(threads.lost)
        for channel in channels.values():
            for outlet in channel.outlets:
                is_open = outlet.best.state is not BreakerState.closed
                metrics.breaker_open.labels(channel.spec.name, outlet.name).set(is_open)
        for part in supervisor.tasks:
            metrics.ready.labels(part).set(part not in supervisor.failures)
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    async def core_parts() -> dict[str, str]:
        parts = {part: supervisor.failures.get(part, "ok") for part in supervisor.tasks}
        try:
            async with asyncio.timeout(_PATIENCE):
                await reader.ping()
            parts["archive"] = "ok"
        except Exception as error:  # noqa: BLE001  # whatever it is, the archive is not ready
            parts["archive"] = type(error).__name__
        return parts

    def transport_parts() -> dict[str, str]:
        parts = {}
        for channel in channels.values():
            for outlet in channel.outlets:
                breaker = outlet.best
                state = "ok" if breaker.state is BreakerState.closed else breaker.state.value
                if breaker.misconfigured:
                    # Not the provider's words, which /v1/channels has: anybody may ask here.
                    state = "misconfigured"
                parts[f"{channel.spec.name} {outlet.name}"] = state
        return parts

    return router
