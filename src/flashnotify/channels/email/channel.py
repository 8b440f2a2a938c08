"""The email channel: messages as RFC 5322 and MIME want them."""

from __future__ import annotations

import hashlib
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, SecretStr

from flashnotify import domain
from flashnotify.channels.transport import ChannelConfig, Transport
from flashnotify.domain import Captured, Message, Rendering, Sent
from flashnotify.meta.configs import setting
from flashnotify.meta.decorators import circuit_breaker, tracked, validated_config
from flashnotify.meta.descriptors import Email, check_text
from flashnotify.meta.field import Field
from flashnotify.meta.metaclasses import Channel


def _sender(value: str) -> str:
    check_text(value, multiline=False)
    _, address = parseaddr(value)
    return value.replace(address, Email().validate(address))


class EmailConfig(ChannelConfig):
    """How email leaves."""

    url: Annotated[SecretStr, "transport URLs"] = setting(
        "capture://",
        env="EMAIL_URL",
        help="Transports for email, tried in order; separate several by spaces.",
        example="smtp://user:password@mail.univ.example:587?starttls=require",
        secret=True,
    )
    sender: Annotated[str, AfterValidator(_sender)] = setting(
        "FlashNotify <flashnotify@campus.example>",
        env="EMAIL_FROM",
        help="Who email comes from.",
        example="Campus <noreply@univ.example>",
    )


class EmailContent:
    """What all recipients of a notification in one locale get alike: its MIME is built once."""

    def __init__(self, rendering: Rendering, sender: str) -> None:
        # A header has one line, whatever a template makes of the fields.
        self.subject = " ".join(rendering.parts["subject"].splitlines())
        self.text = rendering.parts["text"]
        self.html = rendering.parts["html"]
        self.sender = sender
        name, self.sender_address = parseaddr(sender)
        self._from = Address(name, addr_spec=self.sender_address)

    @property
    def host(self) -> str:
        """The domain that message identifiers are made in."""
        return self._from.domain

    @cached_property
    def mime(self) -> bytes:
        """The headers that do not differ between recipients, and the body, in 7-bit ASCII."""
        message = EmailMessage(policy=policy.SMTP.clone(cte_type="7bit"))
        message["From"] = self._from
        message["Subject"] = self.subject
        # RFC 3834, section 5: keeps vacation responders from answering.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self.text + "\n", cte="quoted-printable")
        message.add_alternative(self.html + "\n", subtype="html", cte="quoted-printable")
        # Not a random one, so that every attempt sends the same bytes. What is quoted-printable
        # never has "=_" in it (RFC 2045, section 6.7).
        digest = hashlib.sha256(f"{self.subject}\0{self.text}\0{self.html}".encode())
        message.set_boundary(f"=_{digest.hexdigest()[:32]}")
        return message.as_bytes()


class EmailToOne:
    """An email to one recipient."""

    def __init__(self, content: EmailContent, message: Message) -> None:
        self.content = content
        self.to = message.to
        self.message_id = f"<{message.delivery_id}@{content.host}>"
        self._date = format_datetime(domain.moment(message.accepted_at))

    def as_bytes(self) -> bytes:
        """The message as it goes over SMTP; the same on every attempt."""
        head = f"To: {self.to}\r\nMessage-ID: {self.message_id}\r\nDate: {self._date}\r\n"
        return head.encode("ascii") + self.content.mime

    def captured(self) -> Captured:
        """The email as a person would see it."""
        return Captured(
            "email", self.to, self.content.subject, self.content.text, self.content.html
        )


@tracked
@circuit_breaker(failures=5, recovery=30.0)
@validated_config(EmailConfig)
class EmailMixin(Channel, channel="email"):
    """Gives a kind email."""

    scheme: ClassVar[str] = "mailto"
    address: ClassVar[Field[Any]] = Email()
    parts: ClassVar[tuple[str, ...]] = ("subject", "text", "html")

    async def send_email(
        self, message: Message, transport: Transport[EmailToOne], config: EmailConfig
    ) -> Sent:
        """Send one email.

        Raises:
            TransportError: as the transport's `send` does.
        """
        content = self.once(message.rendering, lambda r: EmailContent(r, config.sender))
        return await transport.send(EmailToOne(content, message))
