"""How commands reach the API: over the Unix socket if `serve` runs, in this process if not.

Either way a command speaks the same API, as an admin.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from starlette.types import ASGIApp

from flashnotify.api.requests import LocalSocket
from flashnotify.app import Service
from flashnotify.errors import ArchiveLocked, FlashNotifyError
from flashnotify.settings import ServiceConfig
from flashnotify.telemetry import logs

# Seconds to wait for an answer of `serve`: an accept waits for the disk.
_TIMEOUT = 30.0
# How often to try for an archive that another command has, and the seconds between: 10 s in all.
_TRIES = 200
_PAUSE = 0.05


JsonOption = Annotated[bool, typer.Option("--json", help="Print the API's answer as it is.")]


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
        if not response.is_success:
            raise CommandFailed(explain(response))
        return response.json() if response.content else None


@asynccontextmanager
async def connect() -> AsyncIterator[Client]:
    """The API of this archive, whether `serve` is running or not."""
    config = ServiceConfig()
    logs.configure(config.log_format)
    service = Service(config)
    if not await _open(service):
        await service.close()
        async with over_socket(config) as http:
            yield Client(http, served=True)
        return
    try:
        async with in_process(service.app()) as http:
            yield Client(http, served=False)
    finally:
        await service.close()


async def _open(service: Service) -> bool:
    """Take the archive; false if `serve` has it. Other commands are waited for: they end soon."""
    for _ in range(_TRIES):
        try:
            await service.open()
        except ArchiveLocked:
            if await _answers(service.config.socket):
                return False
            await asyncio.sleep(_PAUSE)
        else:
            return True
    return False


async def _answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


def over_socket(config: ServiceConfig) -> httpx.AsyncClient:
    """The API of the `serve` that holds the archive."""
    return _http(httpx.AsyncHTTPTransport(uds=str(config.socket)))


def in_process(app: ASGIApp) -> httpx.AsyncClient:
    """The API of a service in this process."""
    return _http(httpx.ASGITransport(LocalSocket(app)))


def explain(response: httpx.Response) -> str:
    """A problem that the API answered, for a person."""
    try:
        problem = response.json()
        faults = problem.get("errors") or []
        lines = [f"{fault['pointer']} {fault['detail']}" for fault in faults]
        return "\n".join(lines) or str(problem["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"it answered {response.status_code}, and did not say why. Look at its log."


def _http(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=transport, base_url="http://flashnotify", timeout=_TIMEOUT, trust_env=False
    )
