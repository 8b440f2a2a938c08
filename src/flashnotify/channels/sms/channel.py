"""The SMS channel."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, SecretStr
from pydantic import Field as PydanticField

from flashnotify.channels.sms.economy import economical
from flashnotify.channels.sms.segments import Segmented
from flashnotify.channels.transport import ChannelConfig, Transport
from flashnotify.domain import Captured, Message, Sent
from flashnotify.meta.configs import setting
from flashnotify.meta.decorators import circuit_breaker, tracked, validated_config
from flashnotify.meta.descriptors import Phone, check_text
from flashnotify.meta.field import Field
from flashnotify.meta.metaclasses import Channel


def _sender(value: str) -> str:
    check_text(value, multiline=False)
    if not value.lstrip("+").isdigit() and len(value) > 11:
        raise ValueError("a sender that is no number has at most 11 characters")
    return value


class SMSConfig(ChannelConfig):
    """How SMS leave."""

    url: Annotated[SecretStr, "transport URLs"] = setting(
        "capture://",
        env="SMS_URL",
        help="Transports for SMS, tried in order; separate several by spaces.",
        example="kannel://user:password@127.0.0.1:13013",
        secret=True,
    )
    sender: Annotated[str, AfterValidator(_sender)] = setting(
        "Campus",
        env="SMS_FROM",
        help="Who SMS come from: a number or a short name.",
        example="Campus",
    )
    max_segments: Annotated[int, PydanticField(ge=1, le=10)] = setting(
        2,
        env="SMS_MAX_SEGMENTS",
        help="Most segments of an SMS; a longer text is shortened at a word.",
        example="3",
    )


class SMSToOne:
    """An SMS to one recipient. `reference` is the same on every attempt."""

    def __init__(self, text: Segmented, message: Message, sender: str) -> None:
        self.text = text
        self.to = message.to
        self.sender = sender
        self.reference = str(message.delivery_id)

    def captured(self) -> Captured:
        """The SMS as a person would see it."""
        return Captured("sms", self.to, None, self.text.text, None)


@tracked
@circuit_breaker(failures=5, recovery=30.0)
@validated_config(SMSConfig)
class SMSMixin(Channel, channel="sms"):
    """Gives a kind SMS."""

    scheme: ClassVar[str] = "tel"
    address: ClassVar[Field[Any]] = Phone()
    parts: ClassVar[tuple[str, ...]] = ("sms",)
    rings: ClassVar[bool] = True

    async def send_sms(
        self, message: Message, transport: Transport[SMSToOne], config: SMSConfig
    ) -> Sent:
        """Send one SMS.

        Raises:
            TransportError: as the transport's `send` does.
        """
        text = self.once(
            message.rendering, lambda r: economical(r.parts["sms"], config.max_segments)
        )
        return await transport.send(SMSToOne(text, message, config.sender))
