"""The push channel: to devices, which are Web Push subscriptions or ntfy topics."""

from typing import Any, ClassVar

from flashnotify.channels.transport import ChannelConfig, Transport, transport_urls
from flashnotify.domain import Captured, Device, Message, Sent
from flashnotify.errors import Unsendable
from flashnotify.meta import Channel, Field, Id, retrying, tracked, validated_config


class PushConfig(ChannelConfig):
    """Settings for push."""

    url = transport_urls(
        "PUSH_URL",
        of="push (each serves its own type of device)",
        example="webpush: ntfys://ntfy.univ.example",
    )


class PushToOne:
    """A push to one device, with the same `reference` on every attempt."""

    def __init__(self, message: Message, device: Device) -> None:
        self.device = device
        self.title = message.rendering.parts["push_title"]
        self.text = message.rendering.parts["push"]
        # What follows the text, even if that is cut.
        self.ending = message.rendering.ending
        self.priority = message.priority
        self.expires_at = message.expires_at
        self.reference = str(message.delivery_id)

    def captured(self) -> Captured:
        """Return the push as its reader sees it."""
        return Captured("push", str(self.device.id), self.title, self.text + self.ending, None)


@tracked
@validated_config(PushConfig)
# A push is about something happening now; hours later it would only confuse, unless it is
# critical.
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
        """Send one push, unless the device is no longer registered."""
        if message.device is None:
            raise Unsendable("the device is no longer registered")
        return await transport.send(PushToOne(message, message.device))
