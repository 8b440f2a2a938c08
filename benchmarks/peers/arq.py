"""FastAPI that stores a job of arq for each recipient, and the worker that sends them."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import uuid4

from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI, Request

from benchmarks.peers import gateway_client
from benchmarks.peers.requests import Accepted, Notification, accepted

_REDIS = RedisSettings.from_dsn(os.environ["REDIS"])


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.jobs = await create_pool(_REDIS)
    yield


app = FastAPI(lifespan=_lifespan)


@app.post("/v1/notifications", status_code=202)
async def accept(notification: Notification, request: Request) -> Accepted:
    """Answer once a job for each recipient is in Redis."""
    id = str(uuid4())
    for to in notification.to:
        await request.app.state.jobs.enqueue_job(
            "send", id, to, notification.model_dump(), _defer_until=notification.send_at
        )
    return accepted(id, notification)


async def send(ctx: dict[str, Any], id: str, to: str, notification: dict[str, Any]) -> str:
    """Send one SMS. Its result is kept in Redis."""
    text = f"{notification['title']}: {notification['body']}"
    return await gateway_client.send(ctx["client"], to, text, id)


async def _start(ctx: dict[str, Any]) -> None:
    ctx["client"] = gateway_client.client()
    # No other program here logs every message.
    logging.getLogger("arq").setLevel(logging.WARNING)


class Worker:
    """The settings of the worker: `arq benchmarks.peers.arq.Worker`."""

    functions: ClassVar[list[Any]] = [send]
    on_startup = staticmethod(_start)
    redis_settings = _REDIS
    max_jobs = 100
