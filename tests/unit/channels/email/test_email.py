"""Email in the form of RFC 5322 and MIME."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify.channels.email.channel import EmailContent, EmailMixin, EmailToOne
from flashnotify.channels.email.headers import MalformedMessage
from flashnotify.channels.email.settings import EmailConfig
from flashnotify.domain import Message, Rendering

SENDER = "Université <noreply@univ.example>"
DELIVERY = UUID("01890000-0000-7000-8000-000000000001")


def rendering(
    subject: str = "Salle modifiée", text: str = "Été\nB204", html: str = "<p>Été</p>"
) -> Rendering:
    return Rendering("fr", {"subject": subject, "text": text, "html": html})


def sent(
    content: EmailContent | None = None, to: str = "ada@univ.example", delivery: UUID = DELIVERY
) -> bytes:
    """Return the bytes of an email, as sent over SMTP."""
    content = content or EmailContent(rendering(), SENDER)
    message = Message(delivery, to, rendering(), 1_800_000_000_123)
    return EmailToOne(content, message).as_bytes()


def contents(email: EmailMessage) -> list[str]:
    """Return the texts of the parts."""
    parts = cast(list[EmailMessage], list(email.iter_parts()))
    return [part.get_content().replace("\r\n", "\n") for part in parts]


def read(raw: bytes) -> EmailMessage:
    """Return the email as the recipient's program parses it."""
    found = message_from_bytes(raw, policy=policy.default)
    assert found.defects == []
    return found


def test_headers_are_complete() -> None:
    email = read(sent())
    assert email["From"] == SENDER
    assert email["To"] == "ada@univ.example"
    assert email["Subject"] == "Salle modifiée"
    assert email["Message-ID"] == f"<{DELIVERY}@univ.example>"
    assert email["Date"] == "Fri, 15 Jan 2027 08:00:00 +0000"
    assert email["Auto-Submitted"] == "auto-generated"
    assert email["MIME-Version"] == "1.0"
    assert len(email.keys()) == len(set(email.keys()))


def test_body_has_a_text_and_an_html_part() -> None:
    email = read(sent())
    assert email.get_content_type() == "multipart/alternative"
    parts = list(email.iter_parts())
    # The preferred part comes last (RFC 2046, section 5.1.4).
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert contents(email) == ["Été\nB204\n", "<p>Été</p>\n"]


def test_message_is_7bit_with_short_crlf_lines() -> None:
    """So that every server accepts it (RFC 5321, RFC 5322)."""
    content = EmailContent(rendering("é" * 200, "x" * 5000 + "\n.\nü", "<p>" + "é" * 3000), SENDER)
    raw = sent(content)
    assert raw.isascii()
    assert raw.replace(b"\r\n", b"").count(b"\n") == 0
    assert raw.replace(b"\r\n", b"").count(b"\r") == 0
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    email = read(raw)
    assert email["Subject"] == "é" * 200
    text, html = contents(email)
    assert text == "x" * 5000 + "\n.\nü\n"
    assert html == "<p>" + "é" * 3000 + "\n"


def test_every_attempt_sends_the_same_bytes() -> None:
    """Even after a restart, when the content is built again."""
    again = EmailContent(rendering(), SENDER)
    assert sent() == sent(again)


def test_each_delivery_has_its_own_identifier() -> None:
    other = UUID(int=DELIVERY.int + 1)
    assert read(sent())["Message-ID"] != read(sent(delivery=other))["Message-ID"]


def test_only_recipient_headers_differ_between_recipients() -> None:
    content = EmailContent(rendering(), SENDER)
    first = sent(content).split(b"\r\n")
    second = sent(content, "bob@univ.example", UUID(int=DELIVERY.int + 1)).split(b"\r\n")
    differing = [
        one.partition(b":")[0] for one, two in zip(first, second, strict=True) if one != two
    ]
    assert differing == [b"To", b"Message-ID"]


HEADERS = set(read(sent()).keys())
INJECTIONS = [f"a{end}Bcc: all@univ.example" for end in ("\r\n", "\n", "\r", "\x85", "\u2028")]


@pytest.mark.parametrize("subject", INJECTIONS)
def test_a_line_break_in_the_subject_adds_no_header(subject: str) -> None:
    email = read(sent(EmailContent(rendering(subject), SENDER)))
    assert set(email.keys()) == HEADERS
    assert email["Subject"].startswith("a Bcc: ")


@given(st.text(min_size=1, max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_no_text_can_add_a_header_or_a_part(subject: str, text: str, html: str) -> None:
    # Lone surrogates never get past the validators.
    subject, text, html = (part.encode(errors="ignore").decode() for part in (subject, text, html))
    raw = sent(EmailContent(rendering(subject, text, html), SENDER))
    head = raw.partition(b"\r\n\r\n")[0]
    names = [
        line.partition(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in b" \t"
    ]
    assert set(names) == HEADERS
    assert raw.isascii()
    parts = list(message_from_bytes(raw, policy=policy.default).iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    "sender",
    ["noreply@univ.example", '"Campus, North" <n@univ.example>', 'Ünï "quoted" <n@univ.example>'],
)
def test_sender_display_names_survive(sender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_FROM", sender)
    email = read(sent(EmailContent(rendering(), EmailConfig().sender)))
    (address,) = email["From"].addresses
    assert address.addr_spec.endswith("@univ.example")
    assert email.defects == []


def test_a_sender_domain_may_be_international(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_FROM", "Campus <noreply@université.example>")
    email = read(sent(EmailContent(rendering(), EmailConfig().sender)))
    assert email["Message-ID"] == f"<{DELIVERY}@xn--universit-j4a.example>"
    assert email["From"].addresses[0].domain == "xn--universit-j4a.example"


async def test_the_body_is_built_once_for_all_recipients(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built = 0
    build = EmailContent._built

    def counting(self: EmailContent, text: str, html: str) -> bytes | MalformedMessage:
        nonlocal built
        built += 1
        return build(self, text, html)

    monkeypatch.setattr(EmailContent, "_built", counting)
    config = EmailConfig()
    content = EmailMixin.prepare(rendering(), config)
    bodies = set()
    for number in range(10):
        message = Message(UUID(int=number), f"a{number}@univ.example", rendering(), 0, content)
        head, _, body = EmailToOne(content, message).as_bytes().partition(b"\r\n\r\n")
        assert f"To: a{number}@univ.example".encode() in head
        bodies.add(body)
    assert built == len(bodies) == 1
