"""Web Push to browsers, over the push service that each one names (RFC 8030, 8291, 8292)."""

import json
import re
from functools import lru_cache
from typing import Annotated, ClassVar
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from flashnotify.bounded_cache import BoundedCache
from flashnotify.channels.net.address_guard import PublicAddresses
from flashnotify.channels.net.answers import describe
from flashnotify.channels.net.http_transport import HttpTransport
from flashnotify.channels.net.name_lookup import NameLookup
from flashnotify.channels.push.channel import PushToOne
from flashnotify.channels.push.message_encryption import MAX_BYTES, encode, encrypt
from flashnotify.channels.push.vapid import Vapid, kept_key
from flashnotify.channels.shortening import shorten
from flashnotify.channels.transport import Resources, TransportConfig, excerpt, limits
from flashnotify.channels.url import TransportURL, base_url
from flashnotify.domain import DeviceType, Message, Sent
from flashnotify.errors import Gone, Rejected, SettingsError
from flashnotify.meta import setting
from flashnotify.networks import Network, networks

_CONTACT = re.compile(r"mailto:[^@\s<>]+@[^@\s<>]+|https://[^\s<>]+")

_MAX_TITLE = 500
# Seconds that a push service keeps a message for an offline device: the maximum of the large ones.
_MAX_TTL = 28 * 24 * 3600
# By priority, the lowest first (RFC 8030, section 5.3).
_URGENCY = ("low", "normal", "high", "high")
# The file with the key. If it is lost, all browsers must subscribe again.
VAPID_FILE = "vapid.pem"


def _uri(value: str | None) -> str | None:
    if value is not None and not _CONTACT.fullmatch(value):
        raise ValueError("it must be a mailto: or an https: URI")
    return value


class WebPushConfig(TransportConfig):
    """Settings for Web Push."""

    connections, timeout = limits(
        "WEBPUSH", item="push", to="push services", connections=64, timeout=10.0
    )
    allowed_networks: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(networks)] = setting(
        "",
        env="PUSH_ALLOWED_NETWORKS",
        help="Private networks where push services may be, separated by spaces.",
        example="10.20.0.0/16 fd00:20::/32",
    )
    contact: Annotated[str | None, AfterValidator(_uri)] = setting(
        None,
        env="PUSH_CONTACT",
        help="Contact for push services; required by webpush:.",
        example="mailto:it@univ.example",
    )


class WebPushTransport(HttpTransport[PushToOne]):
    """`webpush:`, for devices of that type."""

    schemes: ClassVar[tuple[str, ...]] = ("webpush",)
    config: ClassVar[type[TransportConfig] | None] = WebPushConfig
    requires: ClassVar[tuple[str, ...]] = ()
    device_type: ClassVar[DeviceType | None] = DeviceType.webpush
    # Each URL is a subscription.
    wrong_url: ClassVar[tuple[int, ...]] = ()

    def __init__(self, url: TransportURL, config: WebPushConfig, resources: Resources) -> None:
        super().__init__(
            url,
            config,
            resources,
            permits=PublicAddresses(config.allowed_networks).permits,
            look_up=NameLookup(resources.names).look_up_again,
        )
        self.name = "webpush:"
        if url.host or url.path or url.options:
            raise SettingsError("webpush: takes nothing after the colon")
        if config.contact is None:
            raise SettingsError(
                "webpush: also needs FLASHNOTIFY_PUSH_CONTACT, whom push services may contact, "
                "such as mailto:it@univ.example"
            )
        self._vapid = Vapid(kept_key(resources.file(VAPID_FILE)), config.contact, resources.clock)
        # The `applicationServerKey` that browsers need to subscribe, in base64url.
        self.public_key = self._vapid.public_key
        # Push services that have accepted our key.
        self._known_services: BoundedCache[str, bool] = BoundedCache(1000)

    def service(self, message: Message) -> str | None:
        """Return the push service that the browser has chosen."""
        return origin(message.device.target) if message.device is not None else None

    async def check(self) -> str:
        """Return the finding: each device names its own push service, so none is tested."""
        return "its key is there; each device names its own push service"

    async def send(self, content: PushToOne) -> Sent:
        """Send one push; raise `Gone` if the subscription has ended (RFC 8030, section 7.3)."""
        device = content.device
        assert device.p256dh is not None
        assert device.auth is not None
        service = origin(device.target)
        answer = await self.request(
            "POST",
            device.target,
            content=encrypt(payload(content), device.p256dh, device.auth),
            headers={
                "Authorization": self._vapid.authorization(service),
                "Content-Encoding": "aes128gcm",
                "Content-Type": "application/octet-stream",
                "TTL": str(self._ttl(content)),
                "Urgency": _URGENCY[content.priority],
                # RFC 8030, section 5.4: a new attempt replaces a waiting one of the same message.
                "Topic": encode(UUID(content.reference).bytes),
            },
        )
        if answer.status_code in (404, 410):
            raise Gone(describe(answer))
        if answer.status_code in (401, 403) and service in self._known_services:
            # It accepts our key, so only this subscription was made with another one.
            raise Rejected(f"subscribed with another applicationServerKey: {describe(answer)}")
        described = self.require_success(answer)
        self._known_services[service] = True
        location = answer.header(b"location").decode("utf-8", "replace")
        return Sent(answer=described, reference=excerpt(location) or None)

    def _ttl(self, content: PushToOne) -> int:
        """Return the seconds until the message expires (RFC 8030, section 5.2)."""
        if content.expires_at is None:
            return _MAX_TTL
        left = (content.expires_at - self.resources.clock.now()) // 1000
        return min(max(left, 0), _MAX_TTL)


def origin(endpoint: str) -> str:
    """Return the origin of a push service (RFC 6454, section 6.2), the `aud` of RFC 8292."""
    path = endpoint.find("/", len("https://"))
    return _origin(endpoint if path < 0 else endpoint[:path])


# Each push asks for it several times, and push services are few. Bounded: callers name them.
@lru_cache(1000)
def _origin(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    default_port = {"https": 443, "http": 80}[parts.scheme]
    port = None if parts.port == default_port else parts.port
    return base_url(parts.scheme, parts.hostname or "", port)


def payload(content: PushToOne) -> bytes:
    """Return the JSON for the service worker in the browser, its body shortened to fit."""
    fields = {
        "id": content.reference,
        "title": shorten(content.title, lambda title: len(title) <= _MAX_TITLE),
        "body": "",
        "priority": content.priority.name,
    }
    room = MAX_BYTES - len(_json(fields)) + len(_json(""))
    # More characters than bytes never fit, and measuring them takes time.
    text, ending = content.text[: MAX_BYTES + 1], content.ending
    fields["body"] = shorten(text, lambda body: len(_json(body)) <= room, ending=ending)
    return _json(fields)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
