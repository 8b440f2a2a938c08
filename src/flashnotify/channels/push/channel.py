"""The push channel: to devices, which are Web Push subscriptions or ntfy topics."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import SecretStr

from flashnotify.channels.transport import ChannelConfig, Transport
from flashnotify.domain import Captured, Device, Message, Priority, Sent
from flashnotify.errors import Unsendable
from flashnotify.meta.configs import setting
from flashnotify.meta.decorators import circuit_breaker, tracked, validated_config
from flashnotify.meta.descriptors import Id
from flashnotify.meta.field import Field
from flashnotify.meta.metaclasses import Channel


class PushConfig(ChannelConfig):
    """How push leaves."""

    url: Annotated[SecretStr, "transport URLs"] = setting(
        "capture://",
        env="PUSH_URL",
        help="Transports for push; each serves its own type of device. Separate them by spaces.",
        example="webpush: ntfys://ntfy.univ.example",
        secret=True,
    )


class PushToOne:
    """A push to one device. `reference` is the same on every attempt."""

    def __init__(self, message: Message, device: Device) -> None:
        self.device = device
        self.title = message.rendering.parts["push_title"]
        self.text = message.rendering.parts["push"]
        self.priority: Priority = message.priority
        self.expires_at = message.expires_at
        self.reference = str(message.delivery_id)

    def captured(self) -> Captured:
        """The push as a person would see it."""
        return Captured("push", str(self.device.id), self.title, self.text, None)


@tracked
@circuit_breaker(failures=5, recovery=30.0)
@validated_config(PushConfig)
class PushNotificationMixin(Channel, channel="push"):
    """Gives a kind push."""

    scheme: ClassVar[str] = "push"
    address: ClassVar[Field[Any]] = Id()
    parts: ClassVar[tuple[str, ...]] = ("push_title", "push")
    rings: ClassVar[bool] = True

    async def send_push(
        self, message: Message, transport: Transport[PushToOne], config: PushConfig
    ) -> Sent:
        """Send one push.

        Raises:
            Unsendable: the device is not registered any more.
            TransportError: as the transport's `send` does.
        """
        if message.device is None:
            raise Unsendable("the device is not registered any more")
        return await transport.send(PushToOne(message, message.device))
