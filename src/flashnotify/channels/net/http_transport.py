"""The base of transports over HTTP."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import ClassVar

import httpx
from aiohttp.abc import AbstractResolver

from flashnotify.channels.net.answers import describe, raise_for_status
from flashnotify.channels.net.client import HttpClient
from flashnotify.channels.transport import C_contra, Resources, Transport, TransportConfig
from flashnotify.channels.url import TransportURL
from flashnotify.errors import Misconfigured


class HttpTransport(Transport[C_contra]):
    """Sends over the `HttpClient` in `http`, with the connections and timeout of its settings.

    A subclass builds the requests, with `headers`, and interprets special answers. The password or
    token of the URL and `authorization` are removed from answers.
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
        self.http = HttpClient(
            connections=self.connections.total,
            timeout=self.timeout,
            permits=permits,
            resolver=resolver,
            secrets=(url.password or url.username, authorization),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.http.close()

    async def post_json(self, url: str, document: Mapping[str, object]) -> httpx.Response:
        """Send `document`, with `headers`."""
        return await self.http.request(
            "POST",
            url,
            content=json.dumps(document, ensure_ascii=False).encode(),
            headers={**self.headers, "Content-Type": "application/json"},
        )

    def require_success(self, answer: httpx.Response) -> str:
        """Return a 2xx answer's status and text; raise the TransportError for any other answer."""
        if answer.status_code in self.wrong_url:
            raise Misconfigured(f"nothing accepts messages at this URL: {describe(answer)}")
        return raise_for_status(answer, self.resources.clock.now())


def basic_auth(user: str, password: str) -> str:
    """Return Basic credentials (RFC 7617, section 2), in UTF-8."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def is_header_value(text: str) -> bool:
    """Return whether `text` can stand in a header: printable ASCII on one line."""
    return text.isascii() and text.isprintable()
