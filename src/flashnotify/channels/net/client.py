"""HTTP for transports: httpx's API over aiohttp's connections."""

import asyncio
import html
import json
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from httpx_aiohttp import AiohttpTransport

from flashnotify.channels.net.aiohttp_internals import limit_interim_answers, never_repeat_requests
from flashnotify.channels.net.answers import FAILURES, AddressNotPermitted, transport_error
from flashnotify.errors import Unreachable

# Bytes read of an answer: enough for a provider's words, too few to fill the memory.
_MAX_ANSWER = 64 * 1024
# With these, httpx would decode the body, and sometimes fail. We read every body as UTF-8.
_IGNORED_HEADERS = (b"content-encoding", b"content-length", b"content-type")
# A shorter secret guards nothing, and would be found within ordinary words.
_MIN_SECRET = 4


class HttpClient:
    """A pool of `connections` to HTTP servers. `timeout`, in seconds, limits a whole request.

    It follows no redirects and takes no proxy or credentials from the environment. `permits` is
    called for each new connection with its IP address, and returns whether it may be opened.
    `resolver` looks up host names instead of the event loop. `secrets` are removed from answers.
    """

    def __init__(
        self,
        *,
        connections: int,
        timeout: float,
        permits: Callable[[str], bool] | None = None,
        resolver: AbstractResolver | None = None,
        secrets: Iterable[str | None] = (),
    ) -> None:
        self._connections = connections
        self._timeout = timeout
        self._permits = permits
        self._resolver = resolver
        forms = {form for secret in secrets if secret for form in _quoted_forms(secret)}
        # Longest first: one secret may contain another.
        self._secrets = sorted(forms, key=len, reverse=True)
        self._tls = ssl.create_default_context()
        self._http = httpx.AsyncClient(
            transport=AiohttpTransport(client=self._session, verify=self._tls),
            timeout=None,  # noqa: S113  # `request` limits the whole, not each read
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": "FlashNotify", "Accept-Encoding": "identity"},
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
            TransportError: as `transport_error` returns.
        """
        body = b""
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._http.stream(method, url, content=content, headers=headers) as answer,
            ):
                async for chunk in answer.aiter_raw():
                    body += chunk
                    if len(body) > _MAX_ANSWER:
                        break
        except TimeoutError as error:
            raise Unreachable(f"no answer within {self._timeout:g} s") from error
        except FAILURES as error:
            raise transport_error(error) from error
        body = body[:_MAX_ANSWER]
        for secret in self._secrets:
            body = body.replace(secret, b"***")
        kept = [(n, v) for n, v in answer.headers.raw if n.lower() not in _IGNORED_HEADERS]
        return httpx.Response(answer.status_code, headers=kept, content=body)

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._connections,
            ssl=self._tls,
            resolver=self._resolver,
            # Not the resolver, which aiohttp skips if the URL has an IP address as host.
            socket_factory=self._permitted_socket if self._permits is not None else None,
        )
        limit_interim_answers(connector)
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        never_repeat_requests(session)
        return session

    def _permitted_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """Return a socket for a connection to exactly this address."""
        family, kind, protocol, _, sockaddr = address
        assert self._permits is not None
        if not self._permits(str(sockaddr[0])):
            raise AddressNotPermitted
        return socket.socket(family, kind, protocol)


def _quoted_forms(secret: str) -> Iterator[bytes]:
    """Yield each form in which an answer may quote `secret`."""
    if len(secret) >= _MIN_SECRET:
        for form in (secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret)):
            yield form.encode()
            yield json.dumps(form)[1:-1].encode()
