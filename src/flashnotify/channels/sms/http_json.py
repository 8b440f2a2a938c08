"""SMS over any gateway that takes `{to, text, from, reference}` as JSON."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import AfterValidator, SecretStr

from flashnotify.channels.net.answers import json_field
from flashnotify.channels.net.http_transport import HttpTransport, basic_auth, is_header_value
from flashnotify.channels.sms.channel import SMSToOne
from flashnotify.channels.transport import Resources, TransportConfig, excerpt, limits
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Sent
from flashnotify.meta import setting

# Characters of a part of the path that may be a key; shorter ones are ordinary words.
_KEY_IN_PATH = 16


def _header_value(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not is_header_value(value.get_secret_value()):
        raise ValueError("it must be printable ASCII on one line")
    return value


def _secret_parts(url: TransportURL) -> Iterator[str]:
    """Yield the parts of the query and path that may be a key, as they are written and decoded."""
    for pair in url.query.split("&"):
        yield pair.partition("=")[2]
    yield from url.options.values()
    yield from (part for part in url.path.split("/") if len(part) >= _KEY_IN_PATH)


class HttpJsonConfig(TransportConfig):
    """Settings for gateways that take JSON."""

    connections, timeout = limits("SMS_HTTP", item="SMS", to="an http+json gateway")
    authorization: Annotated[SecretStr | None, AfterValidator(_header_value)] = setting(
        None,
        env="SMS_HTTP_AUTHORIZATION",
        help="The Authorization header for http+json gateways whose URL has no user.",
        example="Bearer 3f1c…",
        secret=True,
    )


class HttpJsonTransport(HttpTransport[SMSToOne]):
    """`http+json://[user:password@]host[:port][/path][?query]` and `https+json://…`.

    Any 2xx answer means that the gateway accepted the message; the attempt keeps its text.
    """

    schemes: ClassVar[tuple[str, ...]] = ("http+json", "https+json")
    config: ClassVar[type[TransportConfig] | None] = HttpJsonConfig
    wrong_url: ClassVar[tuple[int, ...]] = (404, 405, 410)

    def __init__(self, url: TransportURL, config: HttpJsonConfig, resources: Resources) -> None:
        authorization = None
        if url.username is not None:
            authorization = basic_auth(url.username, url.password or "")
        elif config.authorization is not None:
            authorization = config.authorization.get_secret_value()
        super().__init__(
            url, config, resources, authorization=authorization, secrets=_secret_parts(url)
        )
        self.headers["Accept"] = "application/json"
        self._endpoint = url.endpoint(url.scheme.removesuffix("+json"))

    async def check(self) -> str:
        """Send a HEAD. Many gateways support only POST, so most answers are fine."""
        answer = await self.request("HEAD", self._endpoint, headers=self.headers)
        status = answer.status_code
        # 401 and 407 are about our credentials, for any method (RFC 9110, section 15.5); 501 is
        # about the method (section 15.6.2).
        if status in (401, 407) or (status >= 500 and status != 501):
            self.require_success(answer)
        return f"it answers (HEAD: {answer.status_code})"

    async def send(self, content: SMSToOne) -> Sent:
        """Send one SMS; the result has the gateway's words and its identifier, or else ours."""
        document = {
            "to": content.to,
            "text": content.text.text,
            "from": content.sender,
            "reference": content.reference,
        }
        answer = await self.post_json(self._endpoint, document)
        described = self.require_success(answer)
        reference = json_field(answer, "id", "message_id", "messageId", "reference")
        return Sent(described, content.reference if reference is None else excerpt(str(reference)))
