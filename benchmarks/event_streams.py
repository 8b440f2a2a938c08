"""Followers of `/v1/events`, light enough that hundreds of them take no time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

from benchmarks.server import Server

# A key may have no more.
_STREAMS_OF_A_KEY = 20
_PATIENCE = 30.0


class Awaited:
    """An event that all streams should have."""

    def __init__(self) -> None:
        self._text, self._missing = b"", 0
        self._had = asyncio.Event()

    def expect(self, text: str, streams: int) -> None:
        """Wait for a text from now on, which so many streams should have."""
        self._text, self._missing, self._had = text.encode(), streams, asyncio.Event()

    def look_into(self, data: bytes) -> None:
        """Look for the text in what one stream had. Each has it once."""
        if self._text and self._text in data:
            self._missing -= 1
            if not self._missing:
                self._had.set()

    async def had_by_all(self) -> None:
        """Return once all streams had it."""
        async with asyncio.timeout(_PATIENCE):
            await self._had.wait()


class Stream(asyncio.Protocol):
    """One follower. One that does not read has buffers that fill up."""

    def __init__(self, key: str, awaited: Awaited, *, reads: bool = True) -> None:
        self._key, self._awaited, self._reads = key, awaited, reads
        self.opened = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the events."""
        self.connection = cast(asyncio.Transport, transport)
        head = f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {self._key}\r\n\r\n"
        self.connection.write(head.encode())
        if not self._reads:
            self.connection.pause_reading()
            self.opened.set()

    def data_received(self, data: bytes) -> None:
        """Look into what came."""
        self.opened.set()
        self._awaited.look_into(data)


@asynccontextmanager
async def following(
    server: Server, number: int, awaited: Awaited, *, reads: bool = True
) -> AsyncIterator[None]:
    """Open so many streams."""
    streams: list[Stream] = []
    keys = _keys(server, -(-number // _STREAMS_OF_A_KEY))
    loop = asyncio.get_running_loop()
    try:
        for index in range(number):
            key = keys[index // _STREAMS_OF_A_KEY]
            create = partial(Stream, key, awaited, reads=reads)
            _, stream = await loop.create_connection(create, "127.0.0.1", server.port)
            streams.append(stream)
        for stream in streams:
            await asyncio.wait_for(stream.opened.wait(), _PATIENCE)
        yield
    finally:
        for stream in streams:
            stream.connection.abort()


def _keys(server: Server, number: int) -> Sequence[str]:
    with server.client() as client:
        wanted = {"name": "follower", "scopes": ["read"]}
        return [client.post("/v1/api-keys", json=wanted).json()["key"] for _ in range(number)]
