"""SMS over Kannel's HTTP interface `sendsms` (Kannel 1.4 user's guide, "Using the HTTP smsbox")."""

from __future__ import annotations

from typing import Annotated, ClassVar
from urllib.parse import quote, urlencode

import httpx
from pydantic import Field as PydanticField

from flashnotify.channels.net.client import HttpClient
from flashnotify.channels.sms.channel import SMSToOne
from flashnotify.channels.sms.segments import Encoding
from flashnotify.channels.transport import Connections, Resources, Transport, TransportURL, words
from flashnotify.domain import Sent
from flashnotify.errors import Misconfigured, Rejected, SettingsError, Unreachable
from flashnotify.meta.configs import Config, setting

_SENDSMS = "/cgi-bin/sendsms"
# Reports we want: delivered to the phone (1), not delivered (2), refused by the SMSC (16). The
# others say that it is still under way.
_DLR_MASK = 1 | 2 | 16
# How Kannel says 403 of one message rather than of us: no route to the number, or a black-list.
_ABOUT_THE_NUMBER = ("not routable", "denied by")
# What Kannel says of an SMS that it takes. Another 2xx comes from somebody else, whom nobody should
# believe that it was sent.
_TAKEN = 202
# What Kannel says to a request without a number, once it has accepted the user and password.
_NO_NUMBER = 400
# There is no sendsms at this path, or not for GET: the URL in the settings is wrong.
_WRONG_URL = (404, 405)


class KannelConfig(Config):
    """How Kannel is talked to."""

    connections: Annotated[int, PydanticField(ge=1, le=1000)] = setting(
        16,
        env="KANNEL_CONNECTIONS",
        help="Connections to each Kannel, a quarter of them for urgent SMS.",
        example="32",
    )
    timeout: Annotated[float, PydanticField(gt=0, le=600)] = setting(
        30.0,
        env="KANNEL_TIMEOUT",
        help="Seconds that Kannel may take to accept one SMS.",
        example="30",
    )


class KannelTransport(Transport[SMSToOne]):
    """`kannel://user:password@host[:port][/path][?smsc=id]`, with Kannel's own port as default.

    Kannel is asked for a delivery report, at an address that holds the delivery's id and a token:
    both are the same on every attempt. Its `sendsms-user` needs `concatenation = true` and
    `max-messages` of at least SMS_MAX_SEGMENTS, or it cuts long texts off.
    """

    schemes: ClassVar[tuple[str, ...]] = ("kannel",)
    example: ClassVar[str] = "kannel://user:password@127.0.0.1:13013"
    config: ClassVar[type[Config] | None] = KannelConfig

    def __init__(self, url: TransportURL, config: Config | None, resources: Resources) -> None:
        super().__init__(url, config, resources)
        assert isinstance(config, KannelConfig)
        if not url.host:
            raise SettingsError("names no host")
        if not (url.username and url.password):
            raise SettingsError("has no user and password; they are those of a sendsms-user group")
        if unknown := sorted(set(url.options) - {"smsc"}):
            raise SettingsError(f"has the option {unknown[0]!r}; only smsc is known")
        host = f"[{url.host}]" if ":" in url.host else url.host
        path = url.path if url.path.strip("/") else _SENDSMS
        self._sendsms = f"http://{host}:{url.port or 13013}{path}"
        self._fixed = {"username": url.username, "password": url.password, "charset": "UTF-8"}
        if smsc := url.options.get("smsc"):
            self._fixed["smsc"] = smsc
        self.connections = Connections(config.connections)
        self.timeout = config.timeout
        self._http = HttpClient(
            resources.clock,
            connections=config.connections,
            timeout=config.timeout,
            secrets=(url.password,),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def check(self) -> str:
        """Ask for an SMS to nobody: Kannel looks at the user and password first, then refuses.

        Raises:
            TransportError: as `send` does.
        """
        query = urlencode(self._fixed, quote_via=quote)
        answer = await self._http.request("GET", f"{self._sendsms}?{query}")
        if answer.status_code != _NO_NUMBER:
            self._check(answer)
            raise _not_kannel(answer)
        return "it takes the user and password"

    async def send(self, content: SMSToOne) -> Sent:
        """Hand one SMS to Kannel; its words are in the outcome.

        Raises:
            TransportError: as its status says, and for 403 its words.
        """
        query = {
            **self._fixed,
            "to": content.to,
            "from": content.sender,
            "text": content.text.text,
            "coding": "2" if content.text.encoding is Encoding.ucs2 else "0",
            "dlr-mask": str(_DLR_MASK),
            "dlr-url": self._report_to(content.reference),
        }
        answer = await self._http.request(
            "GET", f"{self._sendsms}?{urlencode(query, quote_via=quote)}"
        )
        self._check(answer)
        if answer.status_code != _TAKEN:
            raise _not_kannel(answer)
        return Sent(
            answer=words(f"{answer.status_code} {answer.text}"), reference=content.reference
        )

    def _report_to(self, delivery_id: str) -> str:
        """Where Kannel reports to: it puts the status in the place of %d."""
        base = self.resources.public_url.rstrip("/").replace("%", "%%")
        token = self.resources.token(f"kannel {delivery_id}")
        return f"{base}/v1/receipts/kannel/{delivery_id}/{token}?status=%d"

    def _check(self, answer: httpx.Response) -> None:
        """Let an accepted SMS pass. 503 is also what Kannel says while no SMSC is connected."""
        said = words(f"{answer.status_code} {answer.text}")
        if answer.status_code == 403 and any(w in said.lower() for w in _ABOUT_THE_NUMBER):
            raise Rejected(said)
        if answer.status_code in _WRONG_URL:
            raise Misconfigured(said)
        self._http.check(answer)


def _not_kannel(answer: httpx.Response) -> Unreachable:
    return Unreachable(words(f"not as Kannel answers: {answer.status_code} {answer.text}"))
