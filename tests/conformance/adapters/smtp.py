"""`smtp://` and `smtps://`, against an SMTP server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from flashnotify.channels.email.channel import EmailContent, EmailToOne
from flashnotify.channels.email.smtp.transport import SmtpTransport
from flashnotify.channels.transport import Content
from flashnotify.domain import Message
from tests.conformance.adapter import SECRET, WORDS, Adapter, Case, Lent
from tests.support.smtp_server import DROP, HANG, Answer, SmtpServer


class SmtpAdapter(Adapter, of=SmtpTransport):
    """Email over SMTP."""

    impossible: ClassVar[Mapping[Case, str]] = {
        Case.too_fast: "no SMTP reply has a time to wait (RFC 5321, section 4.2.3)"
    }
    bad_urls: ClassVar[Sequence[str]] = (
        "smtp:",
        "smtp://",
        f"smtp://us:{SECRET}:1/2@mail.univ.example",
        f"smtp://user:{SECRET}@mail.univ.example:smtp",
        f"smtp://user:{SECRET}@mail.univ.example?starttls=perhaps",
        f"smtp://user:{SECRET}@mail.univ.example?tls=yes",
    )

    recipient: ClassVar[str] = "ada@univ.example"

    def __init__(self, lent: Lent) -> None:
        self.server = SmtpServer(accounts={"user": SECRET})
        super().__init__(lent, self.server)

    @property
    def url(self) -> str:
        # Without TLS: with a password, the default is `require`.
        return f"smtp://user:{SECRET}@127.0.0.1:{self.server.port}?starttls=never"

    def behave(self, case: Case) -> None:
        if case in _ANSWERS:
            self.server.next(*_ANSWERS[case])

    def content(self, message: Message) -> Content:
        content = EmailContent(message.rendering, "Campus <noreply@univ.example>")
        return EmailToOne(content, message)

    @property
    def received(self) -> Sequence[str]:
        return [mail.message_id for mail in self.server.mails]

    @property
    def asked(self) -> int:
        return len(self.server.recipients)


class StepwiseSmtpAdapter(SmtpAdapter, of=SmtpTransport):
    """A server that takes the commands of a message one by one."""

    def __init__(self, lent: Lent) -> None:
        super().__init__(lent)
        self.server.pipelining = False


_ANSWERS: Mapping[Case, tuple[str, Answer]] = {
    Case.refused_for_good: ("CONTENT", f"554 5.7.1 {WORDS}"),
    Case.refused_for_now: ("RCPT", f"451 4.7.1 {WORDS}"),
    Case.bad_address: ("RCPT", f"550 5.1.1 {WORDS}"),
    Case.bad_config: ("MAIL", f"550 5.7.1 {WORDS}"),
    Case.hang: ("RCPT", HANG),
    Case.cancelled: ("RCPT", HANG),
    Case.dropped: ("CONTENT", DROP),
    Case.garbage: ("CONNECT", "HTTP/1.1 200 OK"),
}
