"""The API in this process, for commands on an archive that no `serve` holds."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from starlette.types import ASGIApp

from flashnotify.api.middleware import LocalSocket
from flashnotify.app import Service
from flashnotify.cli.client import Client, SocketClient, result
from flashnotify.cli.unix_http import answers
from flashnotify.errors import ArchiveLocked
from flashnotify.settings import ServiceConfig
from flashnotify.telemetry import logs

# Attempts to open an archive that another command holds, and the seconds between: 10 s in all.
_ATTEMPTS = 200
_PAUSE = 0.05


class InProcess(httpx.AsyncClient):
    """A client of a service in this process, as an admin."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            transport=httpx.ASGITransport(LocalSocket(app)), base_url="http://flashnotify"
        )

    async def call(self, method: str, path: str, **request: Any) -> Any:
        """Call the API, as `Client.call`."""
        response = await self.request(method, path, **request)
        return result(response.status_code, response.content, request.get("json"))


class _LocalClient(Client):
    """A client of a service in this process, whose event loop runs during a call."""

    served = False

    def __init__(self, app: ASGIApp, runner: asyncio.Runner) -> None:
        self._http, self._runner = InProcess(app), runner

    def request(
        self, method: str, target: str, body: str | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Send a request and return the status and the body of its response."""
        request = self._http.request(method, target, content=body, headers=headers)
        response = self._runner.run(request)
        return response.status_code, response.content

    def stream(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Iterator[bytes]]:
        """Send a request and return the status and the lines of its response, once it is there."""
        request = self._http.request(
            method, target, content=body, headers=headers, timeout=None
        )  # it is in this process
        response = self._runner.run(request)
        return response.status_code, iter(response.content.splitlines(keepends=True))


@contextmanager
def connect_locally() -> Iterator[Client]:
    """Connect to the API in this process, or to a `serve` that takes the archive first."""
    config = ServiceConfig()
    logs.configure(config.log_format)
    service = Service(config)
    with asyncio.Runner() as runner:
        try:
            if runner.run(_open(service)):
                yield _LocalClient(service.app(), runner)
                return
        finally:
            runner.run(service.close())
    with SocketClient(config.socket) as client:
        yield client


async def _open(service: Service) -> bool:
    """Open the archive, waiting for other commands; return False if `serve` holds it."""
    for _ in range(_ATTEMPTS):
        try:
            await service.open()
        except ArchiveLocked:
            if answers(service.config.socket):
                return False
            await asyncio.sleep(_PAUSE)
        else:
            return True
    return False
