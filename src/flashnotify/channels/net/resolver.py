"""Lookup of untrusted host names, in threads of their own.

A silent name server blocks a thread for half a minute. The event loop shares a few threads among
all lookups, so a few such names would keep email from finding its server.
"""

import socket
from functools import partial
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from flashnotify.channels.transport import Threads
from flashnotify.errors import Unavailable

# Seconds that a lookup may take.
_TIMEOUT = 5.0


class NameLookup(AbstractResolver):
    """The system's resolver in threads; also a resolver for aiohttp."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def look_up(self, host: str, port: int, family: int = 0) -> list[tuple[Any, ...]]:
        """Return the current addresses of a host, as `socket.getaddrinfo` does.

        Raises:
            OSError: there are none, or no answer in time.
            UnicodeError: the host name is invalid.
            Unavailable: too many lookups are running.
        """
        call = partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
        return await self._threads.run(call, within=_TIMEOUT)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the same for aiohttp; raise an OSError for every failure."""
        try:
            found = await self.look_up(host, port, family)
        except (Unavailable, UnicodeError) as error:
            raise OSError(str(error)) from None
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(
                hostname=host, host=str(ip), port=port, family=family, proto=0, flags=flags
            )
            for family, _, _, _, (ip, port, *_) in found
        ]

    async def close(self) -> None:
        """Do nothing: the threads belong to the service."""
