"""No text of a notification or setting becomes a header, a body or an SMTP command.

The tests compare the bytes that servers on bare sockets receive.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from flashnotify import kinds
from flashnotify.channels.email.channel import EmailContent, EmailToOne
from flashnotify.channels.email.headers import one_line
from flashnotify.channels.email.settings import EmailConfig
from flashnotify.channels.email.smtp.transport import SmtpConfig, SmtpTransport
from flashnotify.channels.push.channel import PushToOne
from flashnotify.channels.push.ntfy import NtfyConfig, NtfyTransport
from flashnotify.channels.sms.channel import SMSToOne
from flashnotify.channels.sms.http_json import HttpJsonConfig, HttpJsonTransport
from flashnotify.channels.sms.segments import fit
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Device, DeviceType, Message, Rendering
from flashnotify.errors import SettingsError, Unsendable
from flashnotify.meta import Text
from flashnotify.meta.registry import NOTIFIERS, TEMPLATES
from tests.conformance.adapter import Lent
from tests.integration.conftest import Emailing
from tests.support import rfc2047
from tests.support.encoded_words import EXAMPLES, one_line_texts, raw_texts
from tests.support.examples import EXAMPLES as NOTIFICATIONS
from tests.support.raw_servers import Listening, raw_http, raw_smtp, unstuffed

DECLARATIONS = kinds  # importing them declares the kinds and their wording

SENDER = "Campus <noreply@univ.example>"
TO = "ada@univ.example"
DELIVERY = UUID("01890000-0000-7000-8000-000000000001")
HEADERS = [
    *("To", "Message-ID", "Date"),
    *("From", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type"),
]
BODIES = {"text": "Hello\r\n.\r\n..\r\n.QUIT\r\nBcc: x", "html": "<p>Hello</p>\n.\n"}
# Each example opens a session of its own. Sharing `tmp_path` is safe: nothing is written there.
sessions = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def to_one(content: EmailContent, to: str = TO) -> EmailToOne:
    return EmailToOne(content, Message(DELIVERY, to, Rendering("en", {}), 1_800_000_000_123))


async def received(email: EmailToOne, folder: Path) -> dict[str, str]:
    """Send an email in its own session, and return its headers, still encoded."""
    async with raw_smtp() as server:
        url = TransportURL(SecretStr(f"smtp://127.0.0.1:{server.port}"))
        transport = SmtpTransport(url, SmtpConfig(), Lent(folder).resources)
        await transport.send(email)
        await transport.close()
    sender = email.content.sender_address
    check_commands(server, sender, [email.to])
    (message,) = server.messages
    assert unstuffed(message) == email.as_bytes()
    return check_headers(unstuffed(message))


def check_commands(server: Listening, sender: str, recipients: Iterable[str]) -> None:
    """Check that the sessions contain the commands of these emails, and no others."""
    commands = [command for command in server.commands if command[:4] not in (b"EHLO", b"QUIT")]
    expected = [f"RCPT TO:<{to}>".encode() for to in recipients]
    assert sorted(c for c in commands if c.startswith(b"RCPT")) == sorted(expected)
    others = [c for c in commands if not c.startswith(b"RCPT")]
    assert others == [f"MAIL FROM:<{sender}>".encode(), b"DATA"] * len(expected)
    assert len(server.messages) == len(expected)


def check_headers(message: bytes) -> dict[str, str]:
    """Check that a message has each of our headers once, and then the body."""
    headers, body = rfc2047.headers_of(message)
    assert [name for name, _ in headers] == HEADERS
    found = dict(headers)
    boundary = found["Content-Type"].partition('boundary="')[2].rstrip('"')
    assert body.startswith(f"--{boundary}\r\n".encode())
    assert body.endswith(f"--{boundary}--\r\n".encode())
    assert body.count(f"--{boundary}".encode()) == 3
    return found


@sessions
@given(raw_texts)
async def test_a_subject_injects_nothing(tmp_path: Path, subject: str) -> None:
    content = EmailContent(Rendering("en", {"subject": subject, **BODIES}), SENDER)
    found = await received(to_one(content), tmp_path)
    assert rfc2047.decoded(found["Subject"]) == one_line(subject)


@pytest.mark.parametrize("locale", ["en", "fr"])
@pytest.mark.parametrize("kind", list(NOTIFICATIONS))
@settings(sessions, max_examples=15)
@given(st.data())
async def test_no_field_of_any_kind_injects_anything(
    tmp_path: Path, kind: str, locale: str, data: st.DataObject
) -> None:
    fields = NOTIFIERS[kind].fields
    texts = one_line_texts.map(lambda text: text[:200]).filter(str.strip)
    values: dict[str, object] = {"title": data.draw(texts), "body": data.draw(texts)}
    given = NOTIFICATIONS[kind][locale]["data"]
    for name, field in fields.items():
        values[name] = field.validate(data.draw(texts) if type(field) is Text else given[name])
    parts = ("subject", "text", "html")
    rendering = TEMPLATES[kind].render(locale, parts, {**values, "priority": "high"})
    found = await received(to_one(EmailContent(rendering, SENDER)), tmp_path)
    assert rfc2047.decoded(found["Subject"]) == rendering.parts["subject"]
    assert str(values["title"]).strip() in rfc2047.decoded(found["Subject"])


@sessions
@given(one_line_texts)
async def test_the_sender_name_injects_nothing(tmp_path: Path, name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    content = EmailContent(
        Rendering("en", {"subject": "Room changed", **BODIES}), f'"{quoted}" <noreply@univ.example>'
    )
    found = await received(to_one(content), tmp_path)
    assert rfc2047.mailbox(found["From"]) == (name, "noreply@univ.example")


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_sender_from_the_settings_injects_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_FROM", f'"{name}" <noreply@univ.example>')
    content = EmailContent(
        Rendering("en", {"subject": "Room changed", **BODIES}), EmailConfig().sender
    )
    found = await received(to_one(content), tmp_path)
    assert rfc2047.mailbox(found["From"]) == (name, "noreply@univ.example")


@pytest.mark.parametrize(
    "sender",
    [
        "Campus <=?utf-8?q?=0D=0AQUIT?=@univ.example>",
        "Campus <noreply@univ.example\r\nBcc: x@x.example>",
        "Campus <a b@univ.example>",
        "Campus",
    ],
)
def test_a_sender_without_a_plain_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, sender: str
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_FROM", sender)
    with pytest.raises(SettingsError, match="FLASHNOTIFY_EMAIL_FROM"):
        EmailConfig()


@pytest.mark.parametrize(
    "to",
    [
        "ada@univ.example>\r\nRSET",
        "ada@univ.example\r\nBcc: x@x.example",
        "ada@univ.example> NOTIFY=NEVER",
        "ada@univ.example, x@x.example",
        "=?utf-8?q?=0D=0ABcc:_x?=@univ.example",
    ],
)
async def test_an_invalid_recipient_causes_no_smtp_session(tmp_path: Path, to: str) -> None:
    """Validation refuses them: the archive would have to be damaged."""
    content = EmailContent(Rendering("en", {"subject": "Room changed", **BODIES}), SENDER)
    async with raw_smtp() as server:
        url = TransportURL(SecretStr(f"smtp://127.0.0.1:{server.port}"))
        transport = SmtpTransport(url, SmtpConfig(), Lent(tmp_path).resources)
        with pytest.raises(Unsendable, match="internal error: the email is malformed"):
            await transport.send(to_one(content, to))
        await transport.close()
    assert server.smtp == []


async def test_lines_that_begin_with_a_dot_arrive_unchanged(tmp_path: Path) -> None:
    content = EmailContent(Rendering("en", {"subject": ".", **BODIES}), SENDER)
    email = to_one(content)
    assert b"\r\n.\r\n" in email.as_bytes()
    found = await received(email, tmp_path)
    assert found["Subject"] == "."


@pytest.mark.parametrize("kind", list(NOTIFICATIONS))
async def test_posted_text_injects_nothing(emailing: Emailing, kind: str) -> None:
    given = NOTIFICATIONS[kind]["en"]["data"]
    fields = NOTIFIERS[kind].fields
    names = [name for name, field in fields.items() if type(field) is Text]
    subjects: list[str] = []
    async with raw_smtp() as server:
        name = "=?utf-8?q?=0D=0ABcc:_x@x.example?="
        sender = f'"{name}" <noreply@univ.example>'
        async with emailing(f"smtp://127.0.0.1:{server.port}", EMAIL_FROM=sender) as service:
            for text in EXAMPLES:
                id = await service.send(
                    kind=kind,
                    title=text,
                    body=text,
                    reference=text,
                    channels=["email"],
                    data={**given, **dict.fromkeys(names, text)},
                )
                await service.completed(id)
                page = await service.get(f"/v1/notifications/{id}/deliveries")
                assert [item["status"] for item in page["items"]] == ["sent"]
        check_commands(server, "noreply@univ.example", [TO] * len(EXAMPLES))
    for message in server.messages:
        found = check_headers(unstuffed(message))
        assert found["To"] == TO
        assert rfc2047.mailbox(found["From"]) == (name, "noreply@univ.example")
        subjects.append(rfc2047.decoded(found["Subject"]))
    for text, subject in zip(EXAMPLES, subjects, strict=True):
        assert text in subject


@pytest.mark.parametrize("title", ["a\r\nBcc: x@x.example", "a\nb", "a\rb", "a\0b"])
async def test_a_raw_line_break_is_refused_at_once(emailing: Emailing, title: str) -> None:
    async with emailing("capture://") as service:
        document = {"kind": "academic", "title": title, "body": "b", "to": [f"mailto:{TO}"]}
        answer = await service.http.post(
            "/v1/notifications", json={**document, "data": {"course": "ALG-2"}}
        )
    assert answer.status_code == 422


async def test_a_recipient_that_looks_like_an_encoded_word_is_refused(emailing: Emailing) -> None:
    to = "mailto:=?utf-8?q?=0D=0ABcc?=@univ.example"
    document = {"kind": "academic", "title": "a", "body": "b", "to": [to]}
    async with emailing("capture://") as service:
        answer = await service.http.post(
            "/v1/notifications", json={**document, "data": {"course": "ALG-2"}}
        )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/to/0"


@pytest.mark.parametrize(
    "subject",
    [
        b"Subject: a\r\nBcc: x@x.example\r\n",
        b"Subject: a\nBcc: x@x.example\r\n",
        b"Subject: a\0\r\n",
        b"Subject: " + b"a" * 1000 + b"\r\n",
        b"Subject: a\r\nAuto-Submitted: no\r\nMIME-Version: 1.0\r\nContent-Type: a/b\r\n\r\n",
    ],
)
async def test_a_malformed_message_is_an_internal_error_and_not_sent(
    emailing: Emailing,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    subject: bytes,
) -> None:
    """If the encoding were ever wrong, the check would still hold the message back."""
    header = "flashnotify.channels.email.headers.text_header"
    to = [f"mailto:student{number}@univ.example" for number in range(10)]
    async with raw_smtp() as server:
        async with emailing(f"smtp://127.0.0.1:{server.port}") as service:
            with monkeypatch.context() as broken:
                broken.setattr(header, lambda name, text: subject)
                id = await service.send(to=to)
                await service.completed(id)
            page = await service.get(f"/v1/notifications/{id}/deliveries")
            channels = await service.get("/v1/channels")
            assert server.smtp == []
            # The transport is in order, and takes the next message.
            await service.completed(await service.send())
        assert len(server.messages) == 1
    assert len(page["items"]) == 10
    for delivery in page["items"]:
        assert delivery["status"] == "failed"
        assert delivery["reason"].startswith("internal error: the email is malformed: ")
        assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["rejected"]
    (email,) = [channel for channel in channels["items"] if channel["channel"] == "email"]
    assert [transport["breaker"] for transport in email["transports"]] == ["closed"]
    # Once for all recipients: the message was built and checked once.
    assert capsys.readouterr().out.count("email.malformed") == 1


@pytest.fixture
async def plain_headers(tmp_path: Path) -> list[bytes]:
    """Return the header lines of harmless messages."""
    return await sent_over_http(tmp_path, "Room changed")


async def sent_over_http(folder: Path, text: str) -> list[bytes]:
    """Send `text` as an ntfy push and an SMS over JSON, and return the header lines."""
    async with raw_http(b'{"id": "hwQ2YpKdmg"}') as server:
        host = f"127.0.0.1:{server.port}"
        resources = Lent(folder).resources
        parts = {"push_title": text, "push": text, "sms": text}
        message = Message(DELIVERY, "+33612345678", Rendering("en", parts), 1_800_000_000_123)
        ntfy = NtfyTransport(
            TransportURL(SecretStr(f"ntfy://tk_1@{host}")), NtfyConfig(), resources
        )
        await ntfy.send(PushToOne(message, Device(DELIVERY, DeviceType.ntfy, "ada-5Hk2xQ")))
        await ntfy.close()
        # Any user and password do: they are encoded.
        url = TransportURL(SecretStr(f"http+json://tk_1%0D%0AX:p%0D%0Aw@{host}/messages"))
        sms = HttpJsonTransport(url, HttpJsonConfig(), resources)
        await sms.send(SMSToOne(fit(text, 10), message, text[:11]))
        await sms.close()
    assert [request.line for request in server.http] == [
        b"POST / HTTP/1.1",
        b"POST /messages HTTP/1.1",
    ]
    push, document = (json.loads(request.body) for request in server.http)
    assert push["title"] == text
    assert document["from"] == text[:11]
    return [header for request in server.http for header in request.headers]


@sessions
@given(raw_texts)
async def test_http_headers_contain_no_message_text(
    tmp_path: Path, plain_headers: list[bytes], text: str
) -> None:
    def lines(headers: list[bytes]) -> list[bytes]:
        # They differ in the port, and the length of the body.
        return [h for h in headers if not h.lower().startswith((b"host: ", b"content-length: "))]

    found = await sent_over_http(tmp_path, text)
    assert lines(found) == lines(plain_headers)
    names: list[Any] = [header.partition(b":")[0].lower() for header in found]
    assert sorted(names).count(b"authorization") == 2
