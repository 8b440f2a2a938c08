"""Web Push: to browsers, by the push service that each of them names (RFC 8030, 8291, 8292)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, ClassVar
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator
from pydantic import Field as PydanticField

from flashnotify.channels.net.address_guard import Network, PublicAddresses, networks
from flashnotify.channels.net.client import HttpClient
from flashnotify.channels.net.resolver import NameLookup
from flashnotify.channels.push.channel import PushToOne
from flashnotify.channels.push.message_encryption import MOST_BYTES, encode, encrypt
from flashnotify.channels.push.vapid import Vapid, kept_key
from flashnotify.channels.shortening import shorten
from flashnotify.channels.transport import Connections, Resources, Transport, TransportURL, words
from flashnotify.domain import DeviceType, Message, Priority, Sent
from flashnotify.errors import Gone, Rejected, SettingsError
from flashnotify.meta.configs import Config, setting

_CONTACT = re.compile(r"mailto:[^@\s<>]+@[^@\s<>]+|https://[^\s<>]+")

_LONGEST_TITLE = 500
# Seconds that a push service is asked to keep a message for a device that is off: what the big
# ones take at most.
_LONGEST_TTL = 28 * 24 * 3600
_URGENCY: Mapping[Priority, str] = {
    Priority.low: "low",
    Priority.medium: "normal",
    Priority.high: "high",
    Priority.critical: "high",
}
# The name of the file that keeps the key. Without it, all browsers would have to subscribe again.
VAPID_FILE = "vapid.pem"
# Push services that are remembered to have let us in.
_MOST_SERVICES = 1000


def _uri(value: str | None) -> str | None:
    if value is not None and not _CONTACT.fullmatch(value):
        raise ValueError("it must be a mailto: or an https: URI")
    return value


def _parsable(value: str) -> str:
    networks(value)
    return value


class WebPushConfig(Config):
    """How push services are talked to."""

    contact: Annotated[str | None, AfterValidator(_uri)] = setting(
        None,
        env="PUSH_CONTACT",
        help="Whom push services may contact about this service; webpush: needs it.",
        example="mailto:it@univ.example",
    )
    allowed_networks: Annotated[str, AfterValidator(_parsable)] = setting(
        "",
        env="PUSH_ALLOWED_NETWORKS",
        help="Networks, not public, where push services may be; separate them by spaces.",
        example="10.20.0.0/16 fd00:20::/32",
    )
    connections: Annotated[int, PydanticField(ge=1, le=1000)] = setting(
        64,
        env="WEBPUSH_CONNECTIONS",
        help="Most connections to push services, a quarter of them for urgent push.",
        example="128",
    )
    timeout: Annotated[float, PydanticField(gt=0, le=600)] = setting(
        10.0, env="WEBPUSH_TIMEOUT", help="Seconds that one Web Push may take.", example="20"
    )

    @property
    def networks(self) -> tuple[Network, ...]:
        """The allowed networks."""
        return networks(self.allowed_networks)


class WebPushTransport(Transport[PushToOne]):
    """`webpush:`, for devices of that type."""

    schemes: ClassVar[tuple[str, ...]] = ("webpush",)
    example: ClassVar[str] = "webpush:"
    config: ClassVar[type[Config] | None] = WebPushConfig

    def __init__(self, url: TransportURL, config: Config | None, resources: Resources) -> None:
        super().__init__(url, config, resources)
        assert isinstance(config, WebPushConfig)
        if url.host or url.path or url.options:
            raise SettingsError("webpush: takes nothing after the colon")
        if config.contact is None:
            raise SettingsError(
                "webpush: also needs FLASHNOTIFY_PUSH_CONTACT, whom push services may contact, "
                "such as mailto:it@univ.example"
            )
        self.connections = Connections(config.connections)
        self.timeout = config.timeout
        self._vapid = Vapid(kept_key(resources.file(VAPID_FILE)), config.contact, resources.clock)
        self._http = HttpClient(
            resources.clock,
            connections=config.connections,
            timeout=config.timeout,
            permits=PublicAddresses(config.networks).permits,
            resolver=NameLookup(resources.names),
        )
        self._let_in: dict[str, None] = {}

    @property
    def name(self) -> str:
        """The URL."""
        return "webpush:"

    @property
    def public_key(self) -> str:
        """What browsers need to subscribe: the `applicationServerKey`, in base64url."""
        return self._vapid.public_key

    def serves(self, message: Message) -> bool:
        """Devices that are Web Push subscriptions."""
        return message.device is None or message.device.type is DeviceType.webpush

    def service(self, message: Message) -> str | None:
        """The push service that the browser has chosen."""
        return origin(message.device.target) if message.device is not None else None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def check(self) -> str:
        """Each browser names its own push service: there is none to try."""
        return "its key is there; each device names its own push service"

    async def send(self, content: PushToOne) -> Sent:
        """Send one push.

        Raises:
            Gone: the subscription has ended (RFC 8030, section 7.3).
            Unsendable: its address is not public.
            Rejected: it was made for another service's key.
            TransportError: as `HttpClient` has it.
        """
        device = content.device
        assert device.p256dh is not None
        assert device.auth is not None
        service = origin(device.target)
        answer = await self._http.request(
            "POST",
            device.target,
            content=encrypt(payload(content), device.p256dh, device.auth),
            headers={
                "Authorization": self._vapid.authorization(service),
                "Content-Encoding": "aes128gcm",
                "Content-Type": "application/octet-stream",
                "TTL": str(self._ttl(content)),
                "Urgency": _URGENCY[content.priority],
                "Topic": _topic(content),
            },
        )
        status, reason = answer.status_code, words(f"{answer.status_code} {answer.text}")
        if status in (404, 410):
            raise Gone(reason)
        if status in (401, 403) and service in self._let_in:
            # It knows us. So it is this one subscription that was made with another key, which is
            # no reason to leave the service's other devices alone.
            raise Rejected(f"subscribed with another applicationServerKey: {reason}")
        self._http.check(answer)
        self._remember(service)
        return Sent(answer=reason, reference=words(answer.headers.get("location", "")) or None)

    def _ttl(self, content: PushToOne) -> int:
        """For how many seconds it is of use (RFC 8030, section 5.2)."""
        if content.expires_at is None:
            return _LONGEST_TTL
        left = (content.expires_at - self.resources.clock.now()) // 1000
        return min(max(left, 0), _LONGEST_TTL)

    def _remember(self, service: str) -> None:
        if service not in self._let_in:
            if len(self._let_in) >= _MOST_SERVICES:
                del self._let_in[next(iter(self._let_in))]
            self._let_in[service] = None


def origin(endpoint: str) -> str:
    """The origin of a push service (RFC 6454, section 6.2), as RFC 8292 wants it for `aud`."""
    parts = urlsplit(endpoint)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = parts.port in (None, {"https": 443, "http": 80}[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if usual else f":{parts.port}")


def payload(content: PushToOne) -> bytes:
    """What the service worker in the browser gets: JSON, its body shortened to fit."""
    fields = {
        "id": content.reference,
        "title": shorten(content.title, lambda title: len(title) <= _LONGEST_TITLE),
        "body": "",
        "priority": content.priority.name,
    }
    room = MOST_BYTES - len(_json(fields)) + len(_json(""))
    # More characters than bytes never fit, and measuring them takes time.
    fields["body"] = shorten(content.text[: MOST_BYTES + 1], lambda body: len(_json(body)) <= room)
    return _json(fields)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _topic(content: PushToOne) -> str:
    """The same on every attempt: a later one replaces what still waits (RFC 8030, section 5.4)."""
    return encode(UUID(content.reference).bytes)
