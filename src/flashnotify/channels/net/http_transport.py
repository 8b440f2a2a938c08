"""The base of transports over HTTP, with our own connections (docs/adr/0010)."""

import html
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar
from urllib.parse import quote, quote_plus, unquote

from flashnotify.channels.net import answers
from flashnotify.channels.net.http_connection import Answer
from flashnotify.channels.net.http_connection_pool import Connections, LookUp, request_target
from flashnotify.channels.transport import C_contra, Resources, Transport, TransportConfig
from flashnotify.channels.url import TransportURL
from flashnotify.errors import Misconfigured, Unreachable

# A shorter secret guards nothing, and would be found within ordinary words.
_MIN_SECRET = 4
# An option may have them as its value, and without them an answer is not JSON.
_JSON_WORDS = ("true", "false", "null")
# A shorter target has no secret in it, and may be an ordinary word.
_MIN_TARGET = 12
_HEADERS = {"User-Agent": "FlashNotify", "Accept": "*/*", "Accept-Encoding": "identity"}


class HttpTransport(Transport[C_contra]):
    """Sends requests over a pool of connections; `timeout`, in seconds, limits a whole request.

    A subclass builds the requests, with `headers`, and interprets special answers. The password or
    token of the URL, `authorization`, other `secrets`, and the target of the request are removed
    from answers, which may quote them. `permits` is called for each new
    connection with its IP address, and returns whether it may be opened. `look_up` looks up host
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
        secrets: Iterable[str] = (),
        permits: Callable[[str], bool] | None = None,
        look_up: LookUp | None = None,
    ) -> None:
        super().__init__(url, config, resources)
        self.headers = {"Authorization": authorization} if authorization else {}
        known = (url.password or url.username, authorization, *secrets)
        self._secrets = {form for secret in known if secret for form in _quoted_forms(secret)}
        # A hang must be reported before the sender's own timeout.
        within = 0.95 * self.timeout
        total, tls = self.connections.total, resources.tls
        self._http = Connections(total, within, tls, permits, look_up)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request to exactly this URL, and read at most 64 KiB of the answer.

        Raise the `TransportError` that `answers.transport_error` returns.
        """
        try:
            answer = await self._http.request(method, url, {**_HEADERS, **(headers or {})}, content)
        except TimeoutError as error:
            raise Unreachable(f"no answer within {self.timeout:g} s") from error
        except answers.FAILURES as error:
            raise answers.transport_error(error) from error
        answer.body = self._without_secrets(answer.body, request_target(url))
        return answer

    def _without_secrets(self, body: bytearray, target: str) -> bytearray:
        secrets = self._secrets
        if body and len(target) >= _MIN_TARGET:
            secrets = secrets.union(_quoted_forms(target), _quoted_forms(unquote(target)))
        # Longest first: one secret may contain another.
        for secret in sorted(secrets, key=len, reverse=True):
            body = body.replace(secret, b"***")
        return body

    async def post_json(self, url: str, document: Mapping[str, object]) -> Answer:
        """Send `document`, with `headers`."""
        content = json.dumps(document, ensure_ascii=False).encode()
        headers = {**self.headers, "Content-Type": "application/json"}
        return await self.request("POST", url, content=content, headers=headers)

    def require_success(self, answer: Answer) -> str:
        """Return a 2xx answer's status and text; raise the TransportError for any other answer."""
        if answer.status_code in self.wrong_url:
            described = answers.describe(answer)
            raise Misconfigured(f"nothing accepts messages at this URL: {described}")
        return answers.raise_for_status(answer, self.resources.clock.now())


def _quoted_forms(secret: str) -> Iterator[bytes]:
    """Yield each form in which an answer may quote `secret`."""
    if len(secret) >= _MIN_SECRET and secret not in _JSON_WORDS:
        for form in (secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret)):
            yield form.encode()
            yield json.dumps(form)[1:-1].encode()


def basic_auth(user: str, password: str) -> str:
    """Return Basic credentials (RFC 7617, section 2), in UTF-8."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def is_header_value(text: str) -> bool:
    """Return whether `text` can stand in a header: printable ASCII on one line."""
    return text.isascii() and text.isprintable()
