"""HTTP for transports: httpx's API over aiohttp's connections, and what its answers mean."""

from __future__ import annotations

import email.utils
import ssl
from collections.abc import Mapping

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from httpx_aiohttp import AiohttpTransport

from flashnotify.channels.base import words
from flashnotify.clock import Clock
from flashnotify.errors import Misconfigured, Rejected, Retryable, Unreachable

# What is read of an answer: enough for a provider's words, too little to fill the memory.
_ANSWER = 64 * 1024
_USER_AGENT = "FlashNotify"


class HttpClient:
    """A pool of `connections` to HTTP servers. `timeout`, in seconds, is for a whole request.

    No redirects are followed, no proxy or credentials are taken from the environment. `resolver`
    decides which addresses a host name stands for.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        connections: int,
        timeout: float,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._clock = clock
        self._connections = connections
        self._tls = tls or ssl.create_default_context()
        self._resolver = resolver
        self._http = httpx.AsyncClient(
            transport=AiohttpTransport(client=self._session, verify=self._tls),
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": _USER_AGENT},
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
        """
        try:
            async with self._http.stream(
                method, url, content=content, headers=dict(headers or {})
            ) as answer:
                body = b""
                async for chunk in answer.aiter_raw():
                    body += chunk
                    if len(body) > _ANSWER:
                        break
                return httpx.Response(
                    answer.status_code, headers=_decoded(answer.headers), content=body[:_ANSWER]
                )
        except httpx.TimeoutException as error:
            raise Unreachable(words(f"no answer in time: {type(error).__name__}")) from error
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
            if _certificate(error):
                raise Misconfigured("the server's certificate cannot be trusted") from error
            raise Unreachable(words(f"{type(error).__name__}: {error}")) from error

    def check(self, answer: httpx.Response) -> None:
        """Let a 2xx answer pass, and turn any other into what it means for the delivery.

        Raises:
            Retryable: 429 or 503 with their Retry-After (RFC 9110, section 10.2.3), 408, 425.
            Unreachable: any other 5xx.
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
            unreachable = Unreachable(reason, after=self._retry_after(answer))
            raise unreachable
        if status in (401, 403, 407) or status < 400:
            raise Misconfigured(reason)
        raise Rejected(reason)

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections,
                ssl=self._tls,
                resolver=self._resolver,
                # A name that was checked must be resolved anew for the next connection.
                use_dns_cache=self._resolver is None,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def _retry_after(self, answer: httpx.Response) -> float | None:
        """Seconds to wait (RFC 9110, section 10.2.3): a number of them, or a date."""
        value = answer.headers.get("retry-after")
        if value is None:
            return None
        if value.isdigit():
            return float(min(int(value), 86_400))
        try:
            moment = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        return min(max(0.0, moment.timestamp() - self._clock.now() / 1000), 86_400.0)


def _decoded(headers: httpx.Headers) -> dict[str, str]:
    """The headers for a body that was not decoded: what we keep of it is for people to read."""
    return {k: v for k, v in headers.items() if k not in ("content-encoding", "content-length")}


def _certificate(error: BaseException | None) -> bool:
    """Whether a certificate is at the bottom of `error`."""
    while error is not None:
        if isinstance(
            error, ssl.SSLCertVerificationError | aiohttp.ClientConnectorCertificateError
        ):
            return True
        error = error.__cause__ or error.__context__
    return False
