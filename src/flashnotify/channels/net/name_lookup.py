"""Look-ups of host names that strangers give, in threads of their own."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from flashnotify.bounded_cache import BoundedCache
from flashnotify.channels.transport import Threads
from flashnotify.errors import Unavailable

T = TypeVar("T")

# Seconds for a look-up, and for the caller's place before it.
_WITHIN = 5.0
# Seconds until the last addresses of a host are used instead.
_RENEWAL = 1.0
# Look-ups of one caller at a time: several such callers fit into the threads.
_PLACES = 2
# All domains whose name servers were silent are one caller, for so many seconds.
_SILENT = "silent domains"
_SILENCE = 3600.0


class NameLookup:
    """The system's resolver in threads of its own.

    A silent name server blocks a thread for half a minute. The event loop shares a few threads
    among all lookups, so a few such names would keep email from finding its server. Each caller has
    a few places, and keeps one for as long as the resolver holds the thread.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        # Of callers with a look-up under way.
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        # Until when a domain counts as silent, by the event loop's clock.
        self._silent: BoundedCache[str, float] = BoundedCache(1000)
        self._last: BoundedCache[tuple[str, int], list[tuple[Any, ...]]] = BoundedCache(1000)

    async def look_up_again(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """Return the addresses of a stranger's host that we connect to from time to time.

        All hosts of a domain share the places of one caller, and so do all domains that were silent
        in the last hour: a few such domains would hold all threads. While its name server does not
        answer, a host has its last addresses. Raises what `look_up` raises.
        """
        last = self._last.get((host, port))
        domain, now = ".".join(host.rsplit(".", 2)[-2:]), asyncio.get_running_loop().time()
        caller = _SILENT if self._silent.get(domain, now) > now else domain
        try:
            async with asyncio.timeout(_RENEWAL if last else None):
                found = await self.look_up(host, port, caller=caller)
        except (TimeoutError, Unavailable) as error:
            if isinstance(error, TimeoutError):
                self._silent[domain] = now + _SILENCE
            if last is None:
                raise
            return last
        self._last[host, port] = found
        return found

    async def look_up(
        self, host: str, port: int, family: int = 0, *, caller: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the current addresses of a host, as `socket.getaddrinfo` does.

        Raises:
            OSError: there are none, or no answer in time.
            UnicodeError: the host name is invalid.
            Unavailable: too many lookups are running.
        """
        call = partial(_addresses, host, port, family)
        try:
            if caller is None:
                return await self._threads.run(call, within=_WITHIN)
            return await self._at_a_place(self._places_of(caller), call)
        except Unavailable:
            # Not the message about threads: to restart would not help.
            raise Unavailable(
                "Too many look-ups of host names wait for a name server that does not answer. Send "
                "it again later. On the server, check its name servers.",
                retry_after=30,
            ) from None

    def _places_of(self, caller: str) -> asyncio.Semaphore:
        return self._places.setdefault(caller, asyncio.Semaphore(_PLACES))

    async def _at_a_place(self, places: asyncio.Semaphore, call: Callable[[], T]) -> T:
        try:
            await asyncio.wait_for(places.acquire(), _WITHIN)
        except TimeoutError:
            raise Unavailable("All look-ups of this caller wait.") from None
        loop, began, place = asyncio.get_running_loop(), threading.Event(), _Place(places)

        def held() -> T:
            began.set()
            try:
                return call()
            finally:
                # A closed loop raises RuntimeError: nobody waits any more.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(place.release)

        try:
            return await self._threads.run(held, within=_WITHIN)
        finally:
            if not began.is_set():
                place.release()


def _addresses(host: str, port: int, family: int) -> list[tuple[Any, ...]]:
    try:
        return socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    except socket.gaierror:
        # The C library calls a name unknown too when there is no file descriptor to ask with: then
        # this fails as well, and says so.
        os.close(os.open(os.devnull, os.O_RDONLY))
        raise


class _Place:
    """One of a caller's places, released once."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places: asyncio.Semaphore | None = places

    def release(self) -> None:
        """Let the caller's next look-up begin."""
        if self._places is not None:
            self._places.release()
        self._places = None
