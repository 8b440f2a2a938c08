"""The push channel: to devices, which are Web Push subscriptions or ntfy topics."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import SecretStr

from flashnotify.channels.transport import ChannelConfig, Transport
from flashnotify.domain import Captured, Device, Message, Priority, Sent
from flashnotify.errors import Unsendable
from flashnotify.meta import (
    Channel,
    Field,
    Id,
    retrying,
    setting,
    tracked,
    validated_config,
)


class PushConfig(ChannelConfig):
    """Settings for push."""

    url: Annotated[SecretStr, "transport URLs"] = setting(
        "capture://",
        env="PUSH_URL",
        help="Transports for push; each serves its own type of device. Separate them by spaces.",
        example="webpush: ntfys://ntfy.univ.example",
        secret=True,
    )


class PushToOne:
    """A push to one device, with the same `reference` on every attempt."""

    def __init__(self, message: Message, device: Device) -> None:
        self.device = device
        self.title = message.rendering.parts["push_title"]
        self.text = message.rendering.parts["push"]
        self.priority: Priority = message.priority
        self.expires_at = message.expires_at
        self.reference = str(message.delivery_id)

    def captured(self) -> Captured:
        """Return the push as a person would see it."""
        return Captured("push", str(self.device.id), self.title, self.text, None)


@tracked
@validated_config(PushConfig)
# A push is about something happening now. Hours later it only confuses.
@retrying(lifetime=6 * 3600.0)
class PushNotificationMixin(Channel, channel="push"):
    """Sends a kind by push."""

    scheme: ClassVar[str] = "push"
    address: ClassVar[Field[Any]] = Id()
    parts: ClassVar[tuple[str, ...]] = ("push_title", "push")
    rings: ClassVar[bool] = True

    async def send_push(
        self, message: Message, transport: Transport[PushToOne], config: PushConfig
    ) -> Sent:
        """Send one push.

        Raises:
            Unsendable: the device is no longer registered.
            TransportError: as the transport's `send` does.
        """
        if message.device is None:
            raise Unsendable("the device is no longer registered")
        return await transport.send(PushToOne(message, message.device))
