"""The chat channel: to destinations named in the settings, never to a URL given by a sender."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, SecretStr

from flashnotify.channels.transport import ChannelConfig, Transport
from flashnotify.domain import Captured, Message, Sent
from flashnotify.errors import InvalidValue
from flashnotify.meta import Channel, Field, Slug, retrying, setting, tracked, validated_config


def _parsable(value: SecretStr) -> SecretStr:
    _destinations(value)
    return value


def _destinations(value: SecretStr) -> dict[str | None, str]:
    """Return the URLs by name, of `name=URL` separated by spaces."""
    found: dict[str | None, str] = {}
    for entry in value.get_secret_value().split():
        name, equals, url = entry.partition("=")
        if not equals or "://" not in url:
            raise ValueError("write every destination as name=URL")
        Slug().validate(name)
        if name in found:
            raise ValueError(f"the destination {name!r} is defined twice")
        found[name] = url
    return found


class ChatConfig(ChannelConfig):
    """Settings for chat."""

    url: Annotated[SecretStr, AfterValidator(_parsable)] = setting(
        "",
        env="CHAT_URLS",
        help="Chat destinations by name, as Apprise URLs or capture://; separate them by spaces.",
        example="it-team=msteams://… security=matrixs://…",
        secret=True,
    )

    @property
    def transports(self) -> Sequence[tuple[str | None, str]]:
        """A transport for each destination, which serves only that destination."""
        return list(_destinations(self.url).items())


class ChatToOne:
    """A message to one destination."""

    def __init__(self, message: Message) -> None:
        self.to = message.to
        self.title = message.rendering.parts["push_title"]
        self.text = message.rendering.parts["text"]
        self.priority = message.priority

    def captured(self) -> Captured:
        """Return the message as its reader sees it."""
        return Captured("chat", self.to, self.title, self.text, None)


@tracked
@validated_config(ChatConfig)
# Chat wakes nobody, and chat services have strict rate limits: `critical` gets no faster retries.
@retrying(urgent=False)
class ChatMixin(Channel, channel="chat"):
    """Sends a kind to chat."""

    scheme: ClassVar[str] = "chat"
    address: ClassVar[Field[Any]] = Slug()
    parts: ClassVar[tuple[str, ...]] = ("push_title", "text")

    @classmethod
    def check_address(cls, address: Any, config: ChatConfig) -> None:
        """Raise a ValueError, with the known names, for a destination not in the settings."""
        known = [str(name) for name, _ in config.transports]
        if address not in known:
            names = ", ".join(known) or "none; an administrator adds them to FLASHNOTIFY_CHAT_URLS"
            raise InvalidValue(
                "unknown_destination", f"unknown chat destination; expected one of: {names}"
            )

    async def send_chat(
        self, message: Message, transport: Transport[ChatToOne], config: ChatConfig
    ) -> Sent:
        """Send one message over `transport`."""
        return await transport.send(ChatToOne(message))
