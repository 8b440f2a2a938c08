"""How commands reach the API: over the Unix socket if `serve` runs, in this process if not.

Either way a command speaks the same API, as an admin.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from flashnotify import logs
from flashnotify.api.requests import LocalSocket
from flashnotify.app import Service
from flashnotify.errors import ArchiveLocked, FlashNotifyError
from flashnotify.settings import ServiceConfig

# Seconds to wait for an answer of `serve`: an accept waits for the disk.
_TIMEOUT = 30.0


class CommandFailed(FlashNotifyError):
    """The API answered with a problem."""


class Client:
    """The API, as commands use it. `served` tells whether `serve` is answering."""

    def __init__(self, http: httpx.AsyncClient, *, served: bool) -> None:
        self._http = http
        self.served = served

    async def call(self, method: str, path: str, **request: Any) -> Any:
        """Call the API; the JSON it answers, or None.

        Raises:
            CommandFailed: it answered with a problem; the message is for a person.
        """
        try:
            response = await self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise CommandFailed(
                f"serve holds the archive, but does not answer ({type(error).__name__}). "
                "Look at its log, or stop it."
            ) from None
        if response.is_error:
            raise CommandFailed(_explain(response.json()))
        return response.json() if response.content else None


@asynccontextmanager
async def connect() -> AsyncIterator[Client]:
    """The API of this archive, whether `serve` is running or not."""
    config = ServiceConfig()
    logs.configure(config.log_format)
    service = Service(config)
    try:
        await service.open()
    except ArchiveLocked:
        await service.close()
        transport: httpx.AsyncBaseTransport = httpx.AsyncHTTPTransport(uds=str(config.socket))
        async with _http(transport) as http:
            yield Client(http, served=True)
        return
    try:
        async with _http(httpx.ASGITransport(LocalSocket(service.app()))) as http:
            yield Client(http, served=False)
    finally:
        await service.close()


def _http(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=transport, base_url="http://flashnotify", timeout=_TIMEOUT, trust_env=False
    )


def _explain(problem: dict[str, Any]) -> str:
    faults = problem.get("errors")
    if not faults:
        return str(problem["detail"])
    return "\n".join(f"{fault['pointer']} {fault['detail']}" for fault in faults)
