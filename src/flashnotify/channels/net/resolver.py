"""Looks up names that strangers give, in threads of their own.

A name server that does not answer holds a thread for half a minute. The event loop has a handful
for all names: a few strangers' ones would keep email from finding its server.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from flashnotify.channels.transport import Threads
from flashnotify.errors import Unavailable

# Seconds that looking up a name may take.
_PATIENCE = 5.0


class NameLookup(AbstractResolver):
    """The addresses of names, by the system's resolver. For aiohttp too."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def look_up(self, host: str, port: int, family: int = 0) -> list[tuple[int, Any]]:
        """The addresses of a host now, each with its family.

        Raises:
            OSError: there are none, or no answer in time.
            UnicodeError: this can be no name.
            Unavailable: too many are being looked up.
        """
        call = partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
        found = await self._threads.run(call, within=_PATIENCE)
        return [(family, address) for family, _, _, _, address in found]

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The same, as aiohttp wants it.

        Raises:
            OSError: there are none, or they cannot be looked up now.
        """
        try:
            found = await self.look_up(host, port, family)
        except (Unavailable, UnicodeError) as error:
            raise OSError(str(error)) from None
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=address[1],
                family=family,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for family, address in found
        ]

    async def close(self) -> None:
        """There is nothing to let go of: the threads are the service's."""
