"""SMS over any gateway that takes `{to, text, from, reference}` as JSON."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar

import httpx
from pydantic import AfterValidator, SecretStr

from flashnotify.channels.net.http_transport import (
    HttpTransport,
    basic_authorization,
    is_header_value,
)
from flashnotify.channels.sms.channel import SMSToOne
from flashnotify.channels.transport import Resources, TransportConfig, excerpt, limits
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Sent
from flashnotify.meta import setting

# Where gateways put their own identifier for the message.
_REFERENCES = ("id", "message_id", "messageId", "reference")
# About our credentials, whatever the method (RFC 9110, sections 15.5.2 and 15.5.8).
_UNAUTHENTICATED = (401, 407)


def _header_value(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not is_header_value(value.get_secret_value()):
        raise ValueError("it must be printable ASCII on one line")
    return value


class HttpJsonConfig(TransportConfig):
    """Settings for gateways that take JSON."""

    authorization: Annotated[SecretStr | None, AfterValidator(_header_value)] = setting(
        None,
        env="SMS_HTTP_AUTHORIZATION",
        help="The Authorization header for http+json gateways whose URL has no user.",
        example="Bearer 3f1c…",
        secret=True,
    )
    connections, timeout = limits("SMS_HTTP", item="SMS", to="an http+json gateway")


class HttpJsonTransport(HttpTransport[SMSToOne]):
    """`http+json://[user:password@]host[:port][/path][?query]` and `https+json://…`.

    Any 2xx answer means that the gateway accepted the message; the attempt keeps its text.
    """

    schemes: ClassVar[tuple[str, ...]] = ("http+json", "https+json")
    example: ClassVar[str] = "https+json://user:password@sms.univ.example/messages"
    config: ClassVar[type[TransportConfig] | None] = HttpJsonConfig
    wrong_url: ClassVar[tuple[int, ...]] = (404, 405, 410)

    def __init__(self, url: TransportURL, config: HttpJsonConfig, resources: Resources) -> None:
        authorization = None
        if url.username is not None:
            authorization = basic_authorization(url.username, url.password or "")
        elif config.authorization is not None:
            authorization = config.authorization.get_secret_value()
        super().__init__(url, config, resources, secrets=(url.password, authorization))
        self._endpoint = url.endpoint(url.scheme.removesuffix("+json"))
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if authorization is not None:
            self._headers["Authorization"] = authorization

    async def check(self) -> str:
        """Send a HEAD. Many gateways know only POST, so most answers will do.

        Raises:
            TransportError: there was no answer, or a 5xx, or one about our credentials.
        """
        answer = await self.http.request("HEAD", self._endpoint, headers=self._headers)
        if answer.status_code in _UNAUTHENTICATED or answer.status_code >= 500:
            self.require_success(answer)
        return f"it answers (HEAD: {answer.status_code})"

    async def send(self, content: SMSToOne) -> Sent:
        """Send one SMS; the result has the gateway's words and its identifier.

        Raises:
            TransportError: as `require_success` does.
        """
        document = {
            "to": content.to,
            "text": content.text.text,
            "from": content.sender,
            "reference": content.reference,
        }
        answer = await self.http.request(
            "POST",
            self._endpoint,
            content=json.dumps(document, ensure_ascii=False).encode(),
            headers=self._headers,
        )
        described = self.require_success(answer)
        return Sent(answer=described, reference=_reference(answer) or content.reference)


def _reference(answer: httpx.Response) -> str | None:
    """Return the gateway's identifier for the message, if its answer is JSON that has one."""
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    found = (document.get(name) for name in _REFERENCES)
    return next((excerpt(str(id)) for id in found if isinstance(id, str | int) and id != ""), None)
