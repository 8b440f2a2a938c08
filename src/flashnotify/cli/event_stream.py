"""The events of a running `serve`; a broken stream is resumed where it stopped."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.cli.client import CommandFailed, explain
from flashnotify.telemetry.events import HEARTBEAT

# Seconds between two attempts to connect: the first wait and the longest.
_FIRST_WAIT = 0.1
_MAX_WAIT = 2.0
# Waits longer than this are reported to the user.
_UNREPORTED_WAIT = 1.0
# Seconds to connect, and seconds of silence after which a connection counts as broken.
_CONNECT_TIMEOUT = 5.0
_READ_TIMEOUT = 3 * HEARTBEAT


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the stream; without `data` it is a heartbeat."""

    id: int | None
    type: str
    data: dict[str, Any] | None


async def follow(
    http: httpx.AsyncClient, lock: ArchiveLock, after: int | None
) -> AsyncGenerator[Event, None]:
    """Yield the events from now on, or those after event `after`, until `serve` stops.

    Raise `CommandFailed` if `serve` refuses the request.
    """
    wait, reported = _FIRST_WAIT, False
    while True:
        try:
            async for event in _connection(http, after):
                wait, reported = _FIRST_WAIT, False
                after = event.id if event.id is not None else after
                if event.data is not None:
                    yield event
            reason = "the stream ended"
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
        if lock.holder() is None:
            return
        if not reported and wait > _UNREPORTED_WAIT:
            print(f"serve does not answer ({reason}); retrying", file=sys.stderr)
            reported = True
        await asyncio.sleep(wait)
        wait = min(2 * wait, _MAX_WAIT)


async def _connection(http: httpx.AsyncClient, after: int | None) -> AsyncIterator[Event]:
    """Yield the events of one connection until it ends."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    timeout = httpx.Timeout(_CONNECT_TIMEOUT, read=_READ_TIMEOUT)
    async with http.stream("GET", "/v1/events", headers=headers, timeout=timeout) as response:
        if response.status_code in (429, 503):
            return
        if response.is_error:
            await response.aread()
            raise CommandFailed(explain(response))
        async for event in _parse(response.aiter_lines()):
            yield event


async def _parse(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    """Parse server-sent events (WHATWG HTML, section 9.2.6)."""
    id: int | None = None
    type, data = "", ""
    async for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            yield Event(id, type, json.loads(data) if data else None)
            type, data = "", ""
        elif name == "id":
            id = int(value)
        elif name == "event":
            type = value
        elif name == "data":
            data += value
