"""The SMS channel."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from flashnotify import meta
from flashnotify.channels.sms.segments import Segmented, economical
from flashnotify.channels.transport import ChannelConfig, Transport, transport_urls
from flashnotify.domain import Captured, Message, Rendering, Sent


def _sender(value: str) -> str:
    meta.check_text(value, multiline=False)
    if not value.lstrip("+").isdigit() and len(value) > 11:
        raise ValueError("a sender that is not a number has at most 11 characters")
    return value


class SMSConfig(ChannelConfig):
    """Settings for SMS."""

    url = transport_urls("SMS_URL", of="SMS", example="kannel://user:password@127.0.0.1:13013")
    sender: Annotated[str, AfterValidator(_sender)] = meta.setting(
        "Campus", env="SMS_FROM", help="Sender of SMS: a number or a short name.", example="Campus"
    )
    max_segments: Annotated[int, Field(ge=1, le=10)] = meta.setting(
        2,
        env="SMS_MAX_SEGMENTS",
        help="Maximum number of segments of an SMS; a longer text is shortened at a word.",
        example="3",
    )


class SMSToOne:
    """An SMS to one recipient, with the same `reference` on every attempt."""

    def __init__(self, text: Segmented, message: Message, sender: str) -> None:
        self.text = text
        self.to = message.to
        self.sender = sender
        self.reference = str(message.delivery_id)

    def captured(self) -> Captured:
        """Return the SMS as its reader sees it."""
        return Captured("sms", self.to, None, self.text.text, None)


@meta.tracked
# A gateway that does not answer may still have accepted the SMS, and each repetition costs money:
# the breaker opens sooner, and for longer.
@meta.circuit_breaker(failures=3, recovery=60.0)
@meta.validated_config(SMSConfig)
class SMSMixin(meta.Channel, channel="sms"):
    """Sends a kind by SMS."""

    scheme: ClassVar[str] = "tel"
    address: ClassVar[meta.Field[Any]] = meta.Phone()
    parts: ClassVar[tuple[str, ...]] = ("sms",)
    rings: ClassVar[bool] = True

    @classmethod
    def prepare(cls, rendering: Rendering, config: Any) -> Any:
        """Return the text, cut to the segments that the settings allow."""
        return economical(rendering.parts["sms"], config.max_segments, rendering.ending)

    async def send_sms(
        self, message: Message, transport: Transport[SMSToOne], config: SMSConfig
    ) -> Sent:
        """Send one SMS over `transport`."""
        return await transport.send(SMSToOne(message.content, message, config.sender))
