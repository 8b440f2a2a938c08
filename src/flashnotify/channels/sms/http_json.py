"""SMS over any gateway that takes `{to, text, from, reference}` as JSON."""

from __future__ import annotations

import base64
import json
from typing import Annotated, ClassVar

import httpx
from pydantic import AfterValidator, SecretStr
from pydantic import Field as PydanticField

from flashnotify.channels.net.client import HttpClient
from flashnotify.channels.sms.channel import SMSToOne
from flashnotify.channels.transport import Connections, Resources, Transport, TransportURL, words
from flashnotify.domain import Sent
from flashnotify.errors import Misconfigured, SettingsError
from flashnotify.meta.configs import Config, setting

# Where gateways put their own identifier for the message.
_REFERENCES = ("id", "message_id", "messageId", "reference")
# There is no such endpoint: with one URL for all messages, that is about the URL.
_WRONG_URL = (404, 405, 410)
# Our credentials, to any method (RFC 9110, sections 15.5.2 and 15.5.8).
_WHO_ARE_YOU = (401, 407)


def _header_value(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not (
        value.get_secret_value().isascii() and value.get_secret_value().isprintable()
    ):
        raise ValueError("it must be printable ASCII on one line")
    return value


class HttpJsonConfig(Config):
    """How gateways that take JSON are talked to."""

    authorization: Annotated[SecretStr | None, AfterValidator(_header_value)] = setting(
        None,
        env="SMS_HTTP_AUTHORIZATION",
        help="The Authorization header for http+json gateways whose URL has no user.",
        example="Bearer 3f1c…",
        secret=True,
    )
    connections: Annotated[int, PydanticField(ge=1, le=1000)] = setting(
        16,
        env="SMS_HTTP_CONNECTIONS",
        help="Connections to each such gateway, a quarter of them for urgent SMS.",
        example="32",
    )
    timeout: Annotated[float, PydanticField(gt=0, le=600)] = setting(
        30.0,
        env="SMS_HTTP_TIMEOUT",
        help="Seconds that such a gateway may take to accept one SMS.",
        example="30",
    )


class HttpJsonTransport(Transport[SMSToOne]):
    """`http+json://[user:password@]host[:port][/path][?query]` and `https+json://…`.

    Any 2xx answer means that the gateway took the message, whatever it says; what it says is kept.
    """

    schemes: ClassVar[tuple[str, ...]] = ("http+json", "https+json")
    example: ClassVar[str] = "https+json://user:password@sms.univ.example/messages"
    config: ClassVar[type[Config] | None] = HttpJsonConfig

    def __init__(self, url: TransportURL, config: Config | None, resources: Resources) -> None:
        super().__init__(url, config, resources)
        assert isinstance(config, HttpJsonConfig)
        if not url.host:
            raise SettingsError("names no host")
        host = f"[{url.host}]" if ":" in url.host else url.host
        port = f":{url.port}" if url.port else ""
        query = f"?{url.query}" if url.query else ""
        self._endpoint = f"{url.scheme.removesuffix('+json')}://{host}{port}{url.path}{query}"
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if url.username is not None:
            self._headers["Authorization"] = _basic(url.username, url.password or "")
        elif config.authorization is not None:
            self._headers["Authorization"] = config.authorization.get_secret_value()
        self.connections = Connections(config.connections)
        self.timeout = config.timeout
        self._http = HttpClient(
            resources.clock,
            connections=config.connections,
            timeout=config.timeout,
            secrets=(url.password, self._headers.get("Authorization")),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def check(self) -> str:
        """Knock with HEAD. Many gateways know nothing but POST, so that most answers will do.

        Raises:
            TransportError: there was no answer, one of 5xx, or one about our credentials.
        """
        answer = await self._http.request("HEAD", self._endpoint, headers=self._headers)
        if answer.status_code in _WHO_ARE_YOU or answer.status_code >= 500:
            self._http.check(answer)
        return f"it answers (HEAD: {answer.status_code})"

    async def send(self, content: SMSToOne) -> Sent:
        """Hand one SMS to the gateway; its words and its identifier are in the outcome.

        Raises:
            TransportError: as the status says.
        """
        document = {
            "to": content.to,
            "text": content.text.text,
            "from": content.sender,
            "reference": content.reference,
        }
        answer = await self._http.request(
            "POST",
            self._endpoint,
            content=json.dumps(document, ensure_ascii=False).encode(),
            headers=self._headers,
        )
        said = words(f"{answer.status_code} {answer.text}")
        if answer.status_code in _WRONG_URL:
            raise Misconfigured(said)
        self._http.check(answer)
        return Sent(answer=said, reference=_reference(answer) or content.reference)


def _basic(user: str, password: str) -> str:
    """Basic credentials (RFC 7617, section 2), in UTF-8."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _reference(answer: httpx.Response) -> str | None:
    """The gateway's identifier for the message, if its answer is JSON that has one."""
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    found = (document.get(name) for name in _REFERENCES)
    return next((words(str(id)) for id in found if isinstance(id, str | int) and id != ""), None)
