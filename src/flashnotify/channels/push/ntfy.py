"""ntfy: push to topics on an ntfy server (https://docs.ntfy.sh/publish/#publish-as-json)."""

from typing import ClassVar

from flashnotify.channels.net.answers import describe, json_field
from flashnotify.channels.net.http_transport import HttpTransport, basic_auth, is_header_value
from flashnotify.channels.push.channel import PushToOne
from flashnotify.channels.shortening import shorten
from flashnotify.channels.transport import Resources, TransportConfig, excerpt, limits
from flashnotify.channels.url import TransportURL
from flashnotify.domain import DeviceType, Sent
from flashnotify.errors import Retryable, SettingsError, Unreachable

# https://docs.ntfy.sh/publish/#limitations: the server attaches or refuses longer messages.
_MAX_BYTES = 4096


class NtfyConfig(TransportConfig):
    """Settings for ntfy servers."""

    connections, timeout = limits("NTFY", item="push", to="an ntfy server", timeout=10.0)


class NtfyTransport(HttpTransport[PushToOne]):
    """`ntfy://[token@|user:password@]host[:port]` over HTTP, `ntfys://…` over HTTPS."""

    schemes: ClassVar[tuple[str, ...]] = ("ntfy", "ntfys")
    config: ClassVar[type[TransportConfig] | None] = NtfyConfig
    device_type: ClassVar[DeviceType | None] = DeviceType.ntfy

    def __init__(self, url: TransportURL, config: NtfyConfig, resources: Resources) -> None:
        super().__init__(url, config, resources, authorization=_authorization(url))
        # Publishing as JSON goes to the root, with the topic in the document.
        self._root = url.endpoint("https" if url.scheme == "ntfys" else "http", path="/")
        if url.path.strip("/") or url.options:
            raise SettingsError(
                "has something after the host; ntfy has no path of its own, and topics are "
                "registered as devices"
            )

    async def check(self) -> str:
        """Ask for the server's health (https://docs.ntfy.sh/config/#health-checks)."""
        answer = await self.request("GET", f"{self._root}v1/health", headers=self.headers)
        described = self.require_success(answer)
        if json_field(answer, "healthy") is not True:
            raise Unreachable(f"it is not healthy, or not an ntfy server: {described}")
        return "it is healthy"

    async def send(self, content: PushToOne) -> Sent:
        """Send one push; the result's reference is ntfy's id for it, or else ours."""
        answer = await self.post_json(self._root, _document(content))
        if answer.status_code == 403:
            # Access is granted by topic: we may be allowed to write to others.
            raise Retryable(
                "we may not write to this topic; allow it on the ntfy server: " + describe(answer)
            )
        described = self.require_success(answer)
        reference = json_field(answer, "id")
        return Sent(described, content.reference if reference is None else excerpt(str(reference)))


def _authorization(url: TransportURL) -> str | None:
    """Return the header for a token or a password (https://docs.ntfy.sh/publish/#authentication)."""
    if url.username is None:
        return None
    if url.password is not None:
        return basic_auth(url.username, url.password)
    if not is_header_value(url.username):
        raise SettingsError("has a token that is not printable ASCII on one line")
    return f"Bearer {url.username}"


def _document(content: PushToOne) -> dict[str, object]:
    # More characters than bytes never fit, and measuring them takes time.
    text = content.text[: _MAX_BYTES + 1]
    return {
        "topic": content.device.target,
        "title": content.title,
        "message": shorten(
            text, lambda message: len(message.encode()) <= _MAX_BYTES, ending=content.ending
        ),
        # From 2 (low) to 5 (https://docs.ntfy.sh/publish/#message-priority).
        "priority": content.priority + 2,
        # From 2.16 on, apps replace an earlier message with the same one
        # (https://docs.ntfy.sh/publish/#updating-deleting-notifications).
        "sequence_id": content.reference,
    }
