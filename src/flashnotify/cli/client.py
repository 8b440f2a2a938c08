"""How commands reach the API: over the Unix socket of a running `serve`, or in this process.

Either way, a command uses the same API, as an admin.
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

from flashnotify.api.middleware import LocalSocket
from flashnotify.app import Service
from flashnotify.errors import ArchiveLocked, FlashNotifyError
from flashnotify.settings import ServiceConfig
from flashnotify.telemetry import logs

# Seconds to wait for `serve` to answer: accepting waits for the disk.
_TIMEOUT = 30.0
# Attempts to open an archive that another command holds, and the seconds between: 10 s in all.
_ATTEMPTS = 200
_PAUSE = 0.05


JsonOption = Annotated[bool, typer.Option("--json", help="Print the API's response as JSON.")]


class CommandFailed(FlashNotifyError):
    """A command cannot do what it was asked to. Says why."""


class Client:
    """The API, as commands use it. `served` is true if `serve` answers."""

    def __init__(self, http: httpx.AsyncClient, *, served: bool) -> None:
        self._http = http
        self.served = served

    async def call(self, method: str, path: str, **request: Any) -> Any:
        """Call the API and return the JSON of its response, or None if it has no body.

        Raises:
            CommandFailed: the API is unreachable or answered with a problem.
        """
        try:
            response = await self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise CommandFailed(
                f"serve holds the archive but does not answer ({type(error).__name__}). "
                "Check its log, or stop it."
            ) from None
        if not response.is_success:
            raise CommandFailed(explain(response))
        return response.json() if response.content else None


@asynccontextmanager
async def connect() -> AsyncIterator[Client]:
    """Connect to the API of this archive, whether `serve` is running or not."""
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
    """Open the archive, waiting for other commands; return False if `serve` holds it."""
    for _ in range(_ATTEMPTS):
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
    """Return a client of the `serve` that holds the archive."""
    return _http(httpx.AsyncHTTPTransport(uds=str(config.socket)))


def in_process(app: ASGIApp) -> httpx.AsyncClient:
    """Return a client of a service in this process."""
    return _http(httpx.ASGITransport(LocalSocket(app)))


def explain(response: httpx.Response) -> str:
    """Return the message of a problem response, for a person."""
    try:
        problem = response.json()
        faults = problem.get("errors") or []
        lines = [f"{fault['pointer']} {fault['detail']}" for fault in faults]
        return "\n".join(lines) or str(problem["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"serve answered {response.status_code} without a reason. Check its log."


def _http(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=transport, base_url="http://flashnotify", timeout=_TIMEOUT, trust_env=False
    )
