"""The email channel: messages in the form of RFC 5322 and MIME."""

import hashlib
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import cached_property
from typing import Any, ClassVar

import structlog

from flashnotify import domain
from flashnotify.channels.email import headers
from flashnotify.channels.email.settings import EmailConfig, check_domain
from flashnotify.channels.email.unsubscribing import LinkedMime, linked_html, linked_text
from flashnotify.channels.transport import Transport
from flashnotify.domain import Captured, Message, Rendering, Sent
from flashnotify.errors import Unsendable
from flashnotify.meta import (
    Channel,
    Email,
    Field,
    tracked,
    validated_config,
)

log = structlog.get_logger(__name__)

# The headers that are equal for all recipients.
_SHARED = ("From", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type")


class EmailContent:
    """The content of a notification in one locale, equal for all recipients."""

    def __init__(self, rendering: Rendering, sender: str) -> None:
        # A header has one line, whatever a template makes of the fields.
        self.subject = headers.one_line(rendering.parts["subject"])
        self.text = rendering.parts["text"]
        self.html = rendering.parts["html"]
        self._name, self.sender_address = parseaddr(sender)
        self.sender_domain = self.sender_address.rpartition("@")[2]
        self._locale = rendering.locale
        self._linked: LinkedMime | headers.MalformedMessage | None = None
        # One, since the content is that of one notification.
        self._dates: dict[int, str] = {}

    def date(self, accepted_at: int) -> str:
        """Return the `Date` of a notification accepted then, the same for all recipients."""
        if accepted_at not in self._dates:
            self._dates = {accepted_at: format_datetime(domain.moment(accepted_at))}
        return self._dates[accepted_at]

    @cached_property
    def mime(self) -> bytes | headers.MalformedMessage:
        """The shared headers and the body in 7-bit ASCII, built once; the error if malformed."""
        return self._built(self.text, self.html)

    def linked(self, link: str) -> LinkedMime | headers.MalformedMessage:
        """Return the same with links to unsubscribe that only differ in their last segment."""
        if self._linked is None:
            base, slash, token = link.rpartition("/")
            # No text of a sender contains its own digest.
            gap = (self._digest(self.text, self.html) * len(token))[: len(token)]
            mime = self._built(*self.with_link(base + slash + gap))
            self._linked = LinkedMime(mime, gap) if isinstance(mime, bytes) else mime
        return self._linked

    def with_link(self, link: str) -> tuple[str, str]:
        """Return the text and HTML parts with a link to unsubscribe."""
        locale = self._locale
        return linked_text(self.text, locale, link), linked_html(self.html, locale, link)

    def _digest(self, text: str, html: str) -> str:
        parts = f"{self.subject}\0{text}\0{html}".encode("utf-8", "surrogatepass")
        return hashlib.sha256(parts).hexdigest()[:32]

    def _built(self, text: str, html: str) -> bytes | headers.MalformedMessage:
        try:
            # A digest, so that every attempt sends the same bytes. Quoted-printable text never
            # contains "=_" (RFC 2045, section 6.7).
            boundary = f"=_{self._digest(text, html)}"
            # Python's email package never sees the headers that hold free text.
            name = headers.one_line(self._name)
            sender = headers.mailbox_header("From", name, self.sender_address)
            subject = headers.text_header("Subject", self.subject)
            mime = sender + subject + _body(text, html, boundary)
            headers.check_message(mime, _SHARED, f"--{boundary}\r\n".encode())
            return mime
        except UnicodeEncodeError:
            malformed = headers.MalformedMessage("its body holds a lone surrogate")
        except headers.MalformedMessage as error:
            malformed = error
        log.error("email.malformed", reason=str(malformed))
        return malformed


def _body(text: str, html: str, boundary: str) -> bytes:
    """Return the headers that are constants, and the body."""
    message = EmailMessage(policy=policy.SMTP.clone(cte_type="7bit"))
    # RFC 3834, section 5: keeps vacation responders from answering.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text + "\n", cte="quoted-printable")
    message.add_alternative(html + "\n", subtype="html", cte="quoted-printable")
    message.set_boundary(boundary)
    return message.as_bytes()


class EmailToOne:
    """An email to one recipient, with the same `Message-ID` on every attempt."""

    __slots__ = ("_accepted_at", "content", "message_id", "to", "unsubscribe")

    def __init__(self, content: EmailContent, message: Message) -> None:
        self.content = content
        self.to = message.to
        self.message_id = f"<{message.delivery_id}@{content.sender_domain}>"
        self._accepted_at = message.accepted_at
        self.unsubscribe = message.unsubscribe

    def as_bytes(self) -> bytes:
        """Return the checked message, the same on every attempt; raise Unsendable if malformed."""
        link = self.unsubscribe
        mime = self.content.mime if link is None else self.content.linked(link)
        try:
            if isinstance(mime, headers.MalformedMessage):
                raise mime
            date = self.content.date(self._accepted_at)
            head = headers.recipient_head(self.to, self.message_id, date)
            if isinstance(mime, bytes):
                return head + mime
            assert link is not None
            return head + headers.unsubscribe_head(link) + mime.filled(link.rpartition("/")[2])
        except headers.MalformedMessage as error:
            if error is not mime:
                log.error("email.malformed", reason=str(error))
            raise Unsendable(f"internal error: the email is malformed: {error}") from None

    def captured(self) -> Captured:
        """Return the email as its reader sees it."""
        content, texts = self.content, (self.content.text, self.content.html)
        if self.unsubscribe is not None:
            texts = content.with_link(self.unsubscribe)
        return Captured("email", self.to, content.subject, *texts)


@tracked
@validated_config(EmailConfig)
class EmailMixin(Channel, channel="email"):
    """Sends a kind by email."""

    scheme: ClassVar[str] = "mailto"
    address: ClassVar[Field[Any]] = Email(special=True)
    parts: ClassVar[tuple[str, ...]] = ("subject", "text", "html")

    @classmethod
    def check_address(cls, address: Any, config: Any) -> None:
        """Refuse a domain of a local network, unless the settings name it."""
        check_domain(address, config.special_domains)

    @classmethod
    def prepare(cls, rendering: Rendering, config: Any) -> Any:
        """Return the content, whose MIME is built once for all recipients."""
        return EmailContent(rendering, config.sender)

    async def send_email(
        self, message: Message, transport: Transport[EmailToOne], config: EmailConfig
    ) -> Sent:
        """Send one email over `transport`."""
        return await transport.send(EmailToOne(message.content, message))
