"""FastAPI that sends a task of taskiq for each recipient, and the worker that runs them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.peers import gateway_client
from benchmarks.peers.requests import Accepted, Notification, accepted

# A stream acknowledges what is done: taskiq's lists lose what a killed worker had.
broker = RedisStreamBroker(os.environ["REDIS"]).with_result_backend(
    RedisAsyncResultBackend(os.environ["REDIS"], result_ex_time=3600)
)
_clients: list[Any] = []


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    await broker.startup()
    yield


app = FastAPI(lifespan=_lifespan)


async def _send(id: str, to: str, notification: dict[str, Any]) -> str:
    if not _clients:
        _clients.append(gateway_client.client())
    text = f"{notification['title']}: {notification['body']}"
    return await gateway_client.send(_clients[0], to, text, id)


send = broker.register_task(_send, "send")


@app.post("/v1/notifications", status_code=202)
async def accept(notification: Notification) -> Accepted:
    """Answer once a task for each recipient is in Redis."""
    id = str(uuid4())
    for to in notification.to:
        await send.kiq(id, to, notification.model_dump(mode="json"))
    return accepted(id, notification)
