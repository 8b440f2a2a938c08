"""The base of transports over HTTP: httpx's API over aiohttp's connections."""

import asyncio
import html
import json
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar
from urllib.parse import quote, quote_plus

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from httpx_aiohttp import AiohttpTransport

from flashnotify.channels.net import aiohttp_internals, answers
from flashnotify.channels.transport import C_contra, Resources, Transport, TransportConfig
from flashnotify.channels.url import TransportURL
from flashnotify.errors import Misconfigured, Unreachable

# Bytes read of an answer: enough for a provider's words, too few to fill the memory.
_MAX_ANSWER = 64 * 1024
# With these, httpx would decode the body, and sometimes fail. We read every body as UTF-8.
_IGNORED_HEADERS = (b"content-encoding", b"content-length", b"content-type")
# A shorter secret guards nothing, and would be found within ordinary words.
_MIN_SECRET = 4


class HttpTransport(Transport[C_contra]):
    """Sends requests over a pool of connections; `timeout`, in seconds, limits a whole request.

    A subclass builds the requests, with `headers`, and interprets special answers. The password or
    token of the URL and `authorization` are removed from answers. `permits` is called for each new
    connection with its IP address, and returns whether it may be opened. `resolver` looks up host
    names instead of the event loop.
    """

    requires: ClassVar[tuple[str, ...]] = ("host",)
    # Statuses of an endpoint that does not exist. With one URL for all messages, that URL is wrong.
    wrong_url: ClassVar[tuple[int, ...]] = (404, 405)

    def __init__(
        self,
        url: TransportURL,
        config: TransportConfig | None,
        resources: Resources,
        *,
        authorization: str | None = None,
        permits: Callable[[str], bool] | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        super().__init__(url, config, resources)
        self.headers = {"Authorization": authorization} if authorization else {}
        self._permits = permits
        self._resolver = resolver
        secrets = (url.password or url.username, authorization)
        forms = {form for secret in secrets if secret for form in _quoted_forms(secret)}
        # Longest first: one secret may contain another.
        self._secrets = sorted(forms, key=len, reverse=True)
        # No redirects, and no proxy or credentials from the environment.
        self._http = httpx.AsyncClient(
            transport=AiohttpTransport(client=self._session, verify=resources.tls),
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

        Raise the `TransportError` that `answers.transport_error` returns.
        """
        body = b""
        try:
            async with (
                asyncio.timeout(self.timeout),
                self._http.stream(method, url, content=content, headers=headers) as answer,
            ):
                async for chunk in answer.aiter_raw():
                    body += chunk
                    if len(body) > _MAX_ANSWER:
                        break
        except TimeoutError as error:
            raise Unreachable(f"no answer within {self.timeout:g} s") from error
        except answers.FAILURES as error:
            raise answers.transport_error(error) from error
        body = body[:_MAX_ANSWER]
        for secret in self._secrets:
            body = body.replace(secret, b"***")
        kept = [(n, v) for n, v in answer.headers.raw if n.lower() not in _IGNORED_HEADERS]
        return httpx.Response(answer.status_code, headers=kept, content=body)

    async def post_json(self, url: str, document: Mapping[str, object]) -> httpx.Response:
        """Send `document`, with `headers`."""
        content = json.dumps(document, ensure_ascii=False).encode()
        headers = {**self.headers, "Content-Type": "application/json"}
        return await self.request("POST", url, content=content, headers=headers)

    def require_success(self, answer: httpx.Response) -> str:
        """Return a 2xx answer's status and text; raise the TransportError for any other answer."""
        if answer.status_code in self.wrong_url:
            described = answers.describe(answer)
            raise Misconfigured(f"nothing accepts messages at this URL: {described}")
        return answers.raise_for_status(answer, self.resources.clock.now())

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self.connections.total,
            ssl=self.resources.tls,
            resolver=self._resolver,
            # Not the resolver, which aiohttp skips if the URL has an IP address as host.
            socket_factory=self._permitted_socket if self._permits is not None else None,
        )
        aiohttp_internals.limit_interim_answers(connector)
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        aiohttp_internals.never_repeat_requests(session)
        return session

    def _permitted_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """Return a socket for a connection to exactly this address."""
        family, kind, protocol, _, sockaddr = address
        assert self._permits is not None
        if not self._permits(str(sockaddr[0])):
            raise answers.AddressNotPermitted
        return socket.socket(family, kind, protocol)


def _quoted_forms(secret: str) -> Iterator[bytes]:
    """Yield each form in which an answer may quote `secret`."""
    if len(secret) >= _MIN_SECRET:
        for form in (secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret)):
            yield form.encode()
            yield json.dumps(form)[1:-1].encode()


def basic_auth(user: str, password: str) -> str:
    """Return Basic credentials (RFC 7617, section 2), in UTF-8."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def is_header_value(text: str) -> bool:
    """Return whether `text` can stand in a header: printable ASCII on one line."""
    return text.isascii() and text.isprintable()
