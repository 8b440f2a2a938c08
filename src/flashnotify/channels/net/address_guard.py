"""The guard against untrusted URLs that lead to non-public addresses.

Such a URL could point to this machine, its neighbours or a cloud's metadata service (server-side
request forgery). A host name may change its address after a check, so `permits` is called with the
address of every connection. `check` is for early feedback at registration.
"""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias, TypeVar
from urllib.parse import SplitResult, urlsplit
from weakref import WeakValueDictionary

import httpx

from flashnotify.channels.transport import Threads
from flashnotify.errors import InvalidValue, Unavailable
from flashnotify.networks import Network

Address: TypeAlias = IPv4Address | IPv6Address

T = TypeVar("T")

_MAX_LENGTH = 2048
# Seconds for a look-up, and for the caller's place before it.
_WITHIN = 5.0
# Look-ups of one caller at a time: several such callers fit into the threads.
_PLACES = 2
# RFC 3986, sections 2.2 and 2.3. Parsers disagree about other characters.
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")

# Networks that `is_global` accepts in some Python version, or that never have a push service.
_SPECIAL = [
    ip_network(special)
    for special in (
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "168.63.129.16/32",  # the host of a virtual machine on Azure
        "2001::/23",  # IETF protocol assignments, Teredo among them (RFC 2928)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 7526)
        "3fff::/20",  # documentation (RFC 9637)
    )
]
# The part assigned to hosts so far (RFC 4291, section 2.4; IANA's IPv6 address space).
_UNICAST = IPv6Network("2000::/3")
# IPv4 addresses written as IPv6: mapped (RFC 4291, section 2.5.5.2), and by NAT64 (RFC 6052).
_EMBEDDING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


def split(url: str) -> SplitResult:
    """Return the parts of an untrusted URL, or raise a ValueError with the reason."""
    if len(url) > _MAX_LENGTH:
        raise InvalidValue(
            "too_long", f"has {len(url)} characters; at most {_MAX_LENGTH} are allowed"
        )
    if not _CHARACTERS.fullmatch(url):
        raise InvalidValue(
            "not_a_url", "is not a URL; give it as the browser gave it, percent-encoded"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
        # httpx, which will connect, is stricter in places.
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        raise InvalidValue("not_a_url", "is not a URL; give it as the browser gave it") from None
    if parts.scheme not in ("https", "http"):
        raise InvalidValue("not_https", "must begin with https://")
    if not parts.hostname or port == 0 or parts.netloc.endswith(":"):
        raise InvalidValue("no_host", "has no host, or a port that cannot be connected to")
    if "@" in parts.netloc:
        raise InvalidValue("has_credentials", "has credentials in it; remove them")
    if "#" in url:
        raise InvalidValue("has_fragment", "has a fragment (#…); remove it")
    return parts


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

    async def look_up(
        self, host: str, port: int, family: int = 0, *, caller: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the current addresses of a host, as `socket.getaddrinfo` does.

        Raises:
            OSError: there are none, or no answer in time.
            UnicodeError: the host name is invalid.
            Unavailable: too many lookups are running.
        """
        call = partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
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


class _Place:
    """One of a caller's places, released once."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places: asyncio.Semaphore | None = places

    def release(self) -> None:
        """Let the caller's next look-up begin."""
        if self._places is not None:
            self._places.release()
        self._places = None


class PublicAddresses:
    """The public addresses, and those in the `allowed` networks."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = allowed

    def permits(self, address: str) -> bool:
        """Return whether untrusted URLs may lead to this IP address."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return self._is_allowed(parsed) or _is_public(parsed)

    async def check(self, url: str, names: NameLookup, caller: str | None = None) -> None:
        """Check an untrusted URL of `caller` and the current addresses of its host.

        Raises:
            ValueError: it is not permitted; with the reason.
            Unavailable: too many lookups are running.
        """
        parts = split(url)
        try:
            found = await names.look_up(str(parts.hostname), parts.port or 443, caller=caller)
        except (OSError, UnicodeError):
            raise InvalidValue(
                "unknown_host",
                "has an unknown host; check its name, or try again later if DNS is down",
            ) from None
        addresses = [str(sockaddr[0]) for _, _, _, _, sockaddr in found]
        if not all(map(self.permits, addresses)):
            raise InvalidValue(
                "not_public",
                "leads to an address that is not public. If that is intended, add its network to "
                "FLASHNOTIFY_PUSH_ALLOWED_NETWORKS",
            )
        if parts.scheme == "http" and not all(
            self._is_allowed(ip_address(address)) for address in addresses
        ):
            raise InvalidValue("not_https", "must begin with https://")

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self._allowed)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if any(address in network for network in _EMBEDDING):
            return _is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in _UNICAST:
            return False
    return (
        address.is_global
        # To Python, multicast is global too.
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _SPECIAL)
    )
