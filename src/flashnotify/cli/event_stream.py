"""The events of a running `serve`, taken up again wherever the stream breaks."""

from __future__ import annotations

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

# Seconds between two tries to connect, the first and the longest.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 2.0
# The wait from which on somebody who looks on wonders.
_PATIENCE = 1.0
# Seconds for a connection, and those without any sign of life after which it counts as broken.
_CONNECT = 5.0
_SILENCE = 3 * HEARTBEAT


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; without `data` it is but a sign of life."""

    id: int | None
    type: str
    data: dict[str, Any] | None


async def follow(
    http: httpx.AsyncClient, lock: ArchiveLock, after: int | None
) -> AsyncGenerator[Event, None]:
    """What happens from now on, or has since event `after`, until `serve` has stopped.

    Raises:
        CommandFailed: it refuses, for good.
    """
    wait, told = _FIRST_WAIT, False
    while True:
        try:
            async for event in _connection(http, after):
                wait, told = _FIRST_WAIT, False
                after = event.id if event.id is not None else after
                if event.data is not None:
                    yield event
            reason = "the stream ended"
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
        if lock.holder() is None:
            return
        if not told and wait > _PATIENCE:
            print(f"serve does not answer ({reason}); trying again", file=sys.stderr)
            told = True
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)


async def _connection(http: httpx.AsyncClient, after: int | None) -> AsyncIterator[Event]:
    """The events of one connection, to its end."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    timeout = httpx.Timeout(_CONNECT, read=_SILENCE)
    async with http.stream("GET", "/v1/events", headers=headers, timeout=timeout) as answer:
        if answer.status_code in (429, 503):
            return
        if answer.is_error:
            await answer.aread()
            raise CommandFailed(explain(answer))
        async for event in _parse(answer.aiter_lines()):
            yield event


async def _parse(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    """Server-sent events (WHATWG HTML, section 9.2.6)."""
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
