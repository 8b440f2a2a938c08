"""The API in this process, for commands on an archive that no `serve` holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.types import ASGIApp

from flashnotify.api.middleware import LocalSocket
from flashnotify.app import Service
from flashnotify.cli.client import Client, answers, over_socket
from flashnotify.errors import ArchiveLocked
from flashnotify.settings import ServiceConfig
from flashnotify.telemetry import logs

# Attempts to open an archive that another command holds, and the seconds between: 10 s in all.
_ATTEMPTS = 200
_PAUSE = 0.05


@asynccontextmanager
async def connect_locally() -> AsyncIterator[Client]:
    """Connect to the API in this process, or to a `serve` that takes the archive first."""
    config = ServiceConfig()
    logs.configure(config.log_format)
    service = Service(config)
    try:
        if await _open(service):
            async with in_process(service.app()) as client:
                yield client
            return
    finally:
        await service.close()
    async with over_socket(config.socket) as client:
        yield client


async def _open(service: Service) -> bool:
    """Open the archive, waiting for other commands; return False if `serve` holds it."""
    for _ in range(_ATTEMPTS):
        try:
            await service.open()
        except ArchiveLocked:
            if await answers(service.config.socket):
                return False
            await asyncio.sleep(_PAUSE)
        else:
            return True
    return False


def in_process(app: ASGIApp) -> Client:
    """Return a client of a service in this process, as an admin."""
    return Client(httpx.ASGITransport(LocalSocket(app)), served=False)
