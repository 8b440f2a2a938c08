"""The base of the servers that run in a test's own loop."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """A failure to answer."""

    name: str


HANG = Misbehaviour("never answer")
DROP = Misbehaviour("drop the connection instead of answering")


class Listener(ABC):
    """A server on a port of 127.0.0.1, which it keeps when it is restarted.

    `connections` counts all its connections. With `tls` they are encrypted from the start.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.port = 0
        self.connections = 0
        self._server: asyncio.Server | None = None

    @abstractmethod
    def _protocol(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""

    @abstractmethod
    async def _drop_all(self) -> None:
        """Drop all connections."""

    @property
    @abstractmethod
    def open(self) -> int:
        """The number of open connections."""

    def _connect(self) -> asyncio.Protocol:
        self.connections += 1
        return self._protocol()

    async def start(self) -> None:
        """Start listening."""
        self._server = await asyncio.get_running_loop().create_server(
            self._connect, "127.0.0.1", self.port, ssl=self.tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Drop all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
            await self._drop_all()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
