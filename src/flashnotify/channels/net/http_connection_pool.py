"""The connections of an HTTP transport."""

import asyncio
import re
import socket
import ssl
import string
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

import httpx
from aiohappyeyeballs import start_connection

from flashnotify.bounded_cache import BoundedCache
from flashnotify.channels.net.answers import AddressNotPermitted
from flashnotify.channels.net.http_connection import Answer, Connection, NoAnswer
from flashnotify.errors import Unavailable, is_out_of_files, why_not_connected

# As of `socket.getaddrinfo`.
Found: TypeAlias = Sequence[tuple[Any, ...]]
LookUp: TypeAlias = Callable[[str, int], Awaitable[Found]]

# Seconds until the next address of a host is tried too (RFC 8305, section 5).
_NEXT_ADDRESS = 0.25
# Seconds that an unused connection is kept.
_MAX_IDLE = 15.0
# Seconds for the headers and body once the status line has come.
_REST_TIMEOUT = 2.0
# Origins that are remembered. Callers name them.
_MAX_ORIGINS = 1000
_BREAKS = re.compile(r"[\r\n\0]")
_AUTHORITY = re.compile(r"[^:/?#]*://[^/?#]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int
    # As in the Host header (RFC 9110, section 7.2).
    authority: str


class Connections:
    """Up to `total` connections; each request is sent once, and ends within `timeout` seconds.

    `permits` returns whether a connection to an IP address may be opened, and `look_up` replaces
    the event loop's look-up of host names.
    """

    def __init__(
        self,
        total: int,
        timeout: float,
        tls: ssl.SSLContext,
        permits: Callable[[str], bool] | None = None,
        look_up: LookUp | None = None,
    ) -> None:
        self._places = asyncio.Semaphore(total)
        self._timeout = timeout
        self._tls = tls
        self._permits = permits
        self._look_up = look_up or _system_look_up
        self._idle: deque[tuple[_Origin, Connection, asyncio.TimerHandle]] = deque(maxlen=total)
        self._origins: BoundedCache[str, _Origin] = BoundedCache(_MAX_ORIGINS)

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        """Send a request to exactly this URL; return the answer, as much of it as can be read.

        Raises:
            TimeoutError: no status line came in time.
            OSError: there is no connection, or no answer; `NoAnswer` says why.
            Unavailable: this process lacks a thread or a file descriptor to connect with.
            httpx.InvalidURL, UnicodeError: the URL cannot be used.
            httpx.LocalProtocolError: a line of the request has a line break or a NUL in it.
        """
        origin = self._origin(url)
        head = (f"{method} {request_target(url)} HTTP/1.1", f"Host: {origin.authority}")
        written = _written(head, headers, content)
        answer: Answer | None = None
        connection: Connection | None = None
        async with self._places:
            try:
                async with asyncio.timeout(self._timeout) as limit:
                    connection = self._kept(origin) or await self._connect(origin)
                    answer = await connection.ask(written)
                    _shorten(limit, _REST_TIMEOUT)
                    await connection.read_rest(answer, head_only=method == "HEAD")
            except TimeoutError:
                if answer is None:
                    raise
            finally:
                if connection is not None:
                    self._release(origin, connection, reuse=answer is not None and answer.complete)
        assert answer is not None
        return answer

    def _origin(self, url: str) -> _Origin:
        found = _AUTHORITY.match(url)
        start = found[0] if found else ""
        if start not in self._origins:
            self._origins[start] = _origin(httpx.URL(start))
        return self._origins[start]

    async def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            _, connection, timer = self._idle.pop()
            timer.cancel()
            connection.abort()

    def _kept(self, origin: _Origin) -> Connection | None:
        """Return the connection that was used last for `origin`, if one can be used again."""
        for kept in reversed(self._idle.copy()):
            known, connection, timer = kept
            if known == origin or not connection.usable:
                self._idle.remove(kept)
                timer.cancel()
                if connection.usable:
                    return connection
                connection.abort()
        return None

    def _release(self, origin: _Origin, connection: Connection, *, reuse: bool) -> None:
        if not reuse:
            connection.abort()
            return
        if len(self._idle) == self._idle.maxlen:
            _, oldest, timer = self._idle.popleft()
            timer.cancel()
            oldest.abort()
        timer = asyncio.get_running_loop().call_later(_MAX_IDLE, connection.abort)
        self._idle.append((origin, connection, timer))

    async def _connect(self, origin: _Origin) -> Connection:
        """Open a connection to exactly one of the addresses that were looked up and permitted."""
        secure = origin.scheme == "https"
        try:
            found = await self._look_up(origin.host, origin.port)
            if self._permits is not None:
                found = [address for address in found if self._permits(str(address[4][0]))]
            if not found:
                raise AddressNotPermitted
            sock = await start_connection(found, happy_eyeballs_delay=_NEXT_ADDRESS)
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection,
                sock=sock,
                ssl=self._tls if secure else None,
                server_hostname=origin.host if secure else None,
            )
        except (AddressNotPermitted, ssl.SSLCertVerificationError):
            raise
        except OSError as error:
            if is_out_of_files(error):
                raise Unavailable("Too many files and connections are open.") from error
            reason = why_not_connected(error)
            raise NoAnswer(f"cannot connect to {origin.host}:{origin.port}: {reason}") from error
        return connection


async def _system_look_up(host: str, port: int) -> Found:
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _shorten(limit: asyncio.Timeout, seconds: float) -> None:
    """Let `limit` end `seconds` from now, unless it ends sooner."""
    at = asyncio.get_running_loop().time() + seconds
    limit.reschedule(min(at, limit.when() or at))


def _origin(url: httpx.URL) -> _Origin:
    port = url.port or _DEFAULT_PORTS.get(url.scheme, 0)
    if not (url.host and 0 < port < 65536):
        raise httpx.InvalidURL("needs http(s), a host and a port")
    return _Origin(url.scheme, url.raw_host.decode(), port, url.netloc.decode())


def _written(head: Sequence[str], headers: Mapping[str, str], content: bytes | None) -> bytes:
    """Return a request as it goes over the wire (RFC 9112, section 3)."""
    lines = [*head, *(f"{name}: {value}" for name, value in headers.items())]
    if content is not None:
        lines.append(f"Content-Length: {len(content)}")
    if any(map(_BREAKS.search, lines)):
        # Whoever wrote it could add headers, or a whole request (RFC 9110, section 5.5).
        raise httpx.LocalProtocolError("a line of the request has a CR, LF or NUL in it")
    return "\r\n".join([*lines, "", ""]).encode() + (content or b"")


def request_target(url: str) -> str:
    """Return the path and query of a URL as they were given (RFC 9112, section 3.2.1).

    httpx would write some characters and escapes in another way, and a URL that others gave us may
    be a signed or random text. Only what cannot stand in a request is percent-encoded.
    """
    rest = url.partition("://")[2].partition("#")[0]
    start = next((at for at, c in enumerate(rest) if c in "/?"), len(rest))
    target = quote(rest[start:], safe=string.punctuation)
    return target if target.startswith("/") else f"/{target}"
