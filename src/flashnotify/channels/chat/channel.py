"""The chat channel: to destinations that the settings name, never to a URL that a sender gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, SecretStr

from flashnotify.channels.transport import ChannelConfig, Transport
from flashnotify.domain import Captured, Message, Sent
from flashnotify.meta.configs import setting
from flashnotify.meta.decorators import circuit_breaker, tracked, validated_config
from flashnotify.meta.descriptors import Slug
from flashnotify.meta.field import Field
from flashnotify.meta.metaclasses import Channel


def _destinations(value: SecretStr) -> dict[str | None, str]:
    """Destinations by name, of `name=URL` separated by spaces."""
    found: dict[str | None, str] = {}
    for entry in value.get_secret_value().split():
        name, equals, url = entry.partition("=")
        if not equals or "://" not in url:
            raise ValueError("every destination is written name=URL")
        Slug().validate(name)
        if name in found:
            raise ValueError(f"the destination {name!r} is there twice")
        found[name] = url
    return found


def _parsable(value: SecretStr) -> SecretStr:
    _destinations(value)
    return value


class ChatConfig(ChannelConfig):
    """Where chat messages may go."""

    url: Annotated[SecretStr, AfterValidator(_parsable)] = setting(
        "",
        env="CHAT_URLS",
        help="Chat destinations by name, as Apprise URLs or capture://; separate them by spaces.",
        example="it-team=msteams://… security=matrixs://…",
        secret=True,
    )

    @property
    def transports(self) -> Sequence[tuple[str | None, str]]:
        """A transport for each destination, and for that destination alone."""
        return list(_destinations(self.url).items())


class ChatToOne:
    """A message to one destination."""

    def __init__(self, message: Message) -> None:
        self.to = message.to
        self.title = message.rendering.parts["push_title"]
        self.text = message.rendering.parts["text"]
        self.priority = message.priority

    def captured(self) -> Captured:
        """The message as a person would see it."""
        return Captured("chat", self.to, self.title, self.text, None)


@tracked
@circuit_breaker(failures=5, recovery=30.0)
@validated_config(ChatConfig)
class ChatMixin(Channel, channel="chat"):
    """Gives a kind chat."""

    scheme: ClassVar[str] = "chat"
    address: ClassVar[Field[Any]] = Slug()
    parts: ClassVar[tuple[str, ...]] = ("push_title", "text")

    @classmethod
    def check_address(cls, address: Any, config: ChatConfig) -> None:
        """Refuse a destination that the settings do not name.

        Raises:
            ValueError: with the names there are.
        """
        known = [str(name) for name, _ in config.transports]
        if address not in known:
            names = ", ".join(known) or "none; an administrator adds them to FLASHNOTIFY_CHAT_URLS"
            raise ValueError(f"is no chat destination here; there are: {names}")

    async def send_chat(
        self, message: Message, transport: Transport[ChatToOne], config: ChatConfig
    ) -> Sent:
        """Send one message.

        Raises:
            TransportError: as the transport's `send` does.
        """
        return await transport.send(ChatToOne(message))
