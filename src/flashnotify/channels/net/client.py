"""HTTP for transports: httpx's API over aiohttp's connections, and what its answers mean."""

from __future__ import annotations

import asyncio
import email.utils
import html
import json
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC
from functools import partial
from urllib.parse import quote, quote_plus

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from httpx_aiohttp import AiohttpTransport

from flashnotify.channels.transport import words
from flashnotify.clock import Clock
from flashnotify.errors import Misconfigured, Rejected, Retryable, Unreachable, Unsendable

# What is read of an answer: enough for a provider's words, too little to fill the memory.
_ANSWER = 64 * 1024
# Interim answers that are read before the answer itself.
_INTERIM = 20
_USER_AGENT = "FlashNotify"
# Seconds: what a provider asks for beyond it is not taken seriously.
_LONGEST_WAIT = 86_400.0
# What the libraries raise; the last, of a host name that is none.
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, UnicodeError)


class HttpClient:
    """A pool of `connections` to HTTP servers. `timeout`, in seconds, is for a whole request.

    No redirects are followed, no proxy or credentials are taken from the environment. `permits` is
    asked for each new connection whether its IP address may be connected to; `resolver` finds
    addresses, instead of the event loop. `secrets` are ours: they are struck out of an answer that
    quotes them, or our URL.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        connections: int,
        timeout: float,
        tls: ssl.SSLContext | None = None,
        permits: Callable[[str], bool] | None = None,
        resolver: AbstractResolver | None = None,
        secrets: Iterable[str | None] = (),
    ) -> None:
        self._clock = clock
        self._connections = connections
        self._timeout = timeout
        self._tls = tls or ssl.create_default_context()
        self._permits = permits
        self._resolver = resolver
        # A shorter one guards nothing, and every second word would have it.
        self._secrets = sorted(
            {form for secret in secrets if secret and len(secret) > 3 for form in _forms(secret)},
            key=len,
            reverse=True,
        )
        self._http = httpx.AsyncClient(
            transport=AiohttpTransport(client=self._session, verify=self._tls),
            timeout=None,  # noqa: S113  # `request` bounds the whole, not each read
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request, and read at most 64 KiB of the answer.

        Raises:
            Unreachable: there was no answer.
            Misconfigured: the server's certificate cannot be trusted.
            Unsendable: its address is not permitted.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(method, url, content, headers or {})
        except TimeoutError as error:
            raise Unreachable(f"no answer within {self._timeout:g} s") from error
        except _FAILURES as error:
            if _is_about(
                error, ssl.SSLCertVerificationError, aiohttp.ClientConnectorCertificateError
            ):
                raise Misconfigured("the server's certificate cannot be trusted") from error
            if _is_about(error, _NotPermitted):
                raise Unsendable(str(_NotPermitted())) from error
            raise Unreachable(words(_explain(error))) from error

    async def _exchange(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        async with self._http.stream(method, url, content=content, headers=dict(headers)) as answer:
            body = b""
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > _ANSWER:
                    break
            return httpx.Response(
                answer.status_code,
                headers=_plain(answer.headers),
                content=self._redact(body[:_ANSWER]),
            )

    def check(self, answer: httpx.Response) -> None:
        """Let a 2xx answer pass, and turn any other into what it means for the delivery.

        Raises:
            Retryable: 408, 425 or 429, with their Retry-After (RFC 9110, section 10.2.3).
            Unreachable: 5xx, with theirs.
            Misconfigured: 401, 403, 407 or a redirect: our URL or credentials are wrong.
            Rejected: any other 4xx.
        """
        status = answer.status_code
        if 200 <= status < 300:
            return
        reason = words(f"{status} {answer.text}")
        if status in (408, 425, 429):
            raise Retryable(reason, after=self._retry_after(answer))
        if status >= 500:
            raise Unreachable(reason, after=self._retry_after(answer))
        if status < 400:
            # Its body is a page that quotes the whole of our request.
            raise Misconfigured(f"{status}: it is not at this URL, and redirects are not followed")
        if status in (401, 403, 407):
            raise Misconfigured(reason)
        raise Rejected(reason)

    def _redact(self, body: bytes) -> bytes:
        for secret in self._secrets:
            body = body.replace(secret, b"***")
        return body

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._connections,
            ssl=self._tls,
            resolver=self._resolver,
            # Not a resolver, which aiohttp skips if the URL has an IP address for its host.
            socket_factory=self._permitted_socket if self._permits is not None else None,
        )
        # By itself aiohttp reads interim answers for ever, and without a rest.
        made = partial(_Connection, loop=asyncio.get_running_loop())
        connector._factory = made  # type: ignore[assignment]  # partial is invariant
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        # By itself aiohttp sends a GET that got no answer once more: Kannel would send two SMS.
        session._retry_connection = False
        return session

    def _permitted_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for a connection to exactly this address."""
        family, kind, protocol, _, sockaddr = address
        assert self._permits is not None
        if not self._permits(str(sockaddr[0])):
            raise _NotPermitted
        return socket.socket(family, kind, protocol)

    def _retry_after(self, answer: httpx.Response) -> float | None:
        """Seconds to wait (RFC 9110, section 10.2.3): a number of them, or a date."""
        value = answer.headers.get("retry-after", "")
        if re.fullmatch(r"[0-9]{1,9}", value):
            return min(float(value), _LONGEST_WAIT)
        try:
            moment = email.utils.parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(max(0.0, moment.timestamp() - self._clock.now() / 1000), _LONGEST_WAIT)


def _forms(secret: str) -> Iterator[bytes]:
    """How a page or a document would quote `secret`."""
    for form in (secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret)):
        yield form.encode()
        yield json.dumps(form)[1:-1].encode()


def _plain(headers: httpx.Headers) -> list[tuple[bytes, bytes]]:
    """The headers without those by which httpx would decode the body, some of which make it fail.

    What we keep of a body is for people to read: it is taken for UTF-8, whatever it is.
    """
    left_out = (b"content-encoding", b"content-length", b"content-type")
    return [(name, value) for name, value in headers.raw if name.lower() not in left_out]


def _explain(error: BaseException) -> str:
    """What went wrong, in words without the URL: it may hold a password, and errors quote it."""
    # httpx-aiohttp gives most of aiohttp's errors the name of one of httpx's.
    translated = isinstance(error, httpx.HTTPError) and error.__cause__ is not None
    match error.__cause__ if translated else error:
        case aiohttp.ClientConnectorError() as refused:
            return f"cannot connect to {refused.host}:{refused.port}: {refused.os_error}"
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return "the server closed the connection without an answer"
        case _TooManyInterim():
            return "the server sends interim answers (1xx) without end"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case aiohttp.InvalidURL() | httpx.InvalidURL() | UnicodeError():
            return "the URL cannot be used"
        case other:
            return type(other).__name__


def _is_about(error: BaseException | None, *kinds: type[BaseException]) -> bool:
    """Whether one of `kinds` is at the bottom of `error`."""
    while error is not None:
        if isinstance(error, kinds):
            return True
        error = error.__cause__ or error.__context__
    return False


class _TooManyInterim(aiohttp.ClientError):
    """The server goes on saying that it is not done."""


class _Connection(ResponseHandler):
    """aiohttp's side of a connection, with a bound on interim answers (RFC 9110, section 15.2)."""

    _interim = 0

    async def read(self) -> tuple[RawResponseMessage, StreamReader]:
        """The next answer."""
        message, payload = await super().read()
        self._interim = self._interim + 1 if message.code < 200 else 0
        if self._interim > _INTERIM:
            raise _TooManyInterim
        return message, payload


class _NotPermitted(OSError):
    """The address of a connection is not one that may be connected to."""

    def __str__(self) -> str:
        # The same for every address of a host: aiohttp then raises this, and not a mixture.
        return "its address may not be connected to: it is not public"
