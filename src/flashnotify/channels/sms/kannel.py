"""SMS over Kannel's HTTP interface `sendsms` (Kannel 1.4 user's guide, "Using the HTTP smsbox")."""

from typing import ClassVar
from urllib.parse import quote, urlencode

from flashnotify.channels.net.answers import describe
from flashnotify.channels.net.http_connection import Answer
from flashnotify.channels.net.http_transport import HttpTransport
from flashnotify.channels.sms.channel import SMSToOne
from flashnotify.channels.sms.segments import Encoding
from flashnotify.channels.transport import Resources, TransportConfig, limits
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Sent
from flashnotify.errors import AddressRefused, SettingsError, Unreachable

# The requested reports: delivered to the phone (1), not delivered (2), refused by the SMSC (16).
# The others mean that the SMS is still on its way.
_DLR_MASK = 1 | 2 | 16
# Kannel also answers 403 if a number has no route or is on a blacklist.
_ABOUT_THE_NUMBER = ("not routable", "denied by")


class KannelConfig(TransportConfig):
    """Settings for Kannel gateways."""

    connections, timeout = limits("KANNEL", item="SMS", to="a Kannel gateway")


class KannelTransport(HttpTransport[SMSToOne]):
    """`kannel://user:password@host[:port][/path][?smsc=id]`; the default port is Kannel's own.

    Kannel sends a delivery report to a URL with the delivery's id and a token, the same on every
    attempt. Its `sendsms-user` group needs `concatenation = true` and `max-messages` of at least
    SMS_MAX_SEGMENTS, or Kannel truncates long texts.
    """

    schemes: ClassVar[tuple[str, ...]] = ("kannel",)
    config: ClassVar[type[TransportConfig] | None] = KannelConfig

    def __init__(self, url: TransportURL, config: KannelConfig, resources: Resources) -> None:
        super().__init__(url, config, resources)
        path = url.path if url.path.strip("/") else "/cgi-bin/sendsms"
        self._sendsms = url.endpoint("http", default_port=13013, path=path)
        if not (url.username and url.password):
            raise SettingsError("has no user and password; they are those of a sendsms-user group")
        url.allow_options("smsc")
        self._fixed = {"username": url.username, "password": url.password, "charset": "UTF-8"}
        if smsc := url.options.get("smsc"):
            self._fixed["smsc"] = smsc

    async def check(self) -> str:
        """Ask for an SMS without a number; Kannel answers 400 if it knows the user and password."""
        answer = await self._ask(self._fixed)
        if answer.status_code != 400:
            raise Unreachable(f"not an answer of Kannel's: {self._accepted(answer)}")
        return "it accepts the user and password"

    async def send(self, content: SMSToOne) -> Sent:
        """Send one SMS; the result has Kannel's answer."""
        query = {
            **self._fixed,
            "to": content.to,
            "from": content.sender,
            "text": content.text.text,
            "coding": "2" if content.text.encoding is Encoding.ucs2 else "0",
            "dlr-mask": str(_DLR_MASK),
            "dlr-url": self._report_url(content.reference),
        }
        return Sent(self._accepted(await self._ask(query)), content.reference)

    async def _ask(self, query: dict[str, str]) -> Answer:
        url = f"{self._sendsms}?{urlencode(query, quote_via=quote)}"
        return await self.request("GET", url)

    def _report_url(self, delivery_id: str) -> str:
        """Return the URL for delivery reports; Kannel replaces %d by the status."""
        base = self.resources.public_url.rstrip("/").replace("%", "%%")
        token = self.resources.token(f"kannel {delivery_id}")
        return f"{base}/v1/receipts/kannel/{delivery_id}/{token}?status=%d"

    def _accepted(self, answer: Answer) -> str:
        described = describe(answer)
        if answer.status_code == 403 and any(w in described.lower() for w in _ABOUT_THE_NUMBER):
            raise AddressRefused(described)
        return self.require_success(answer)
