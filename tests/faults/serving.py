"""Run `flashnotify serve` in the test's own loop, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.cli import serve


@dataclass(frozen=True, slots=True)
class Serving:
    """A running service. `admin` uses the Unix socket, `http` TCP without a key."""

    service: Service
    admin: httpx.AsyncClient
    http: httpx.AsyncClient
    ended: asyncio.Task[int]


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[Serving]:
    """Serve until the block ends or the service does. `ended` returns the exit code."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    local = httpx.AsyncHTTPTransport(uds=str(service.config.socket))
    async with (
        httpx.AsyncClient(transport=local, base_url="http://local") as admin,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(serve, "listen", lambda _hosts, _port: [listener])
            task = asyncio.create_task(serve.run(service, ["127.0.0.1"], port))
            # It listens before it answers, so that this waits until it does.
            await http.get("/healthz")
        try:
            yield Serving(service, admin, http, task)
        finally:
            task.cancel()
            await asyncio.wait({task})
