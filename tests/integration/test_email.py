"""Email over SMTP: messages and connections."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from flashnotify.domain import moment
from tests.integration.conftest import Emailing
from tests.integration.deliveries import answers, delivery_of, outcomes, tried, until_due
from tests.support.eventually import eventually
from tests.support.manual_clock import ManualClock
from tests.support.smtp_server import HANG, SmtpServer

UTF8: dict[str, Any] = {
    "title": "Salle modifiée — « B204 » ☃ " + "très " * 20 + "long",
    "body": "L'examen a lieu ailleurs.\r\n.\rFrom ici, merci à vous ❤\n" + "é" * 1200,
    "data": {"course": "ALG-2 Ω", "room": "B204 <b>& co</b>", "teacher": "Mme Curie"},
    "locale": "fr",
}


async def test_arrives_as_text_and_html_with_utf8_headers(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock
) -> None:
    sender = "Université de l'Été <noreply@univ.example>"
    async with emailing(smtp.url, EMAIL_FROM=sender) as service:
        id = await service.send(**UTF8)
        await service.completed(id)
        delivery = await delivery_of(service, id)
    (mail,) = smtp.mails
    message = mail.message
    assert mail.sender == "noreply@univ.example"
    assert mail.recipients == ["ada@univ.example"]
    assert message["To"] == "ada@univ.example"
    assert message["From"] == sender
    assert message["Subject"] == "[ALG-2 Ω] " + UTF8["title"].strip()
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == f"<{delivery['id']}@univ.example>"
    assert message["MIME-Version"] == "1.0"
    assert parsedate_to_datetime(message["Date"]) == moment(clock.now()).replace(microsecond=0)
    assert not message.defects
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert [text.get_content_type(), html.get_content_type()] == ["text/plain", "text/html"]
    lines = text.get_content().splitlines()
    assert {"L'examen a lieu ailleurs.", ".", "From ici, merci à vous ❤"} <= set(lines)
    assert "é" * 1200 in text.get_content()
    assert "Salle\xa0: B204 <b>& co</b>" in text.get_content()
    assert "B204 &lt;b&gt;&amp; co&lt;/b&gt;" in html.get_content()
    assert "é" * 1200 in html.get_content()
    assert delivery["attempts"][0]["reference"] == message["Message-ID"]
    assert answers(delivery) == ["250 2.0.0 queued as 1"]


async def test_works_with_servers_limited_to_short_ascii_lines(
    smtp: SmtpServer, emailing: Emailing
) -> None:
    async with emailing(smtp.url) as service:
        await service.completed(await service.send(**UTF8))
    (mail,) = smtp.mails
    assert mail.content.isascii()
    # RFC 5321, section 4.5.3.1.6, and RFC 5322, section 2.1.1.
    assert max(len(line) for line in mail.content.split(b"\r\n")) <= 998
    assert mail.content.replace(b"\r\n", b"").count(b"\n") == 0
    head = mail.content.partition(b"\r\n\r\n")[0]
    assert max(len(line) for line in head.split(b"\r\n")) <= 78


async def test_each_recipient_gets_a_separate_message(smtp: SmtpServer, emailing: Emailing) -> None:
    to = [f"mailto:student{n}@univ.example" for n in range(5)]
    async with emailing(smtp.url) as service:
        await service.completed(await service.send(to=to))
    assert sorted(mail.message["To"] for mail in smtp.mails) == [
        entry.removeprefix("mailto:") for entry in to
    ]
    assert all(mail.recipients == [mail.message["To"]] for mail in smtp.mails)
    assert len({mail.message_id for mail in smtp.mails}) == 5


async def test_is_the_same_message_on_every_attempt(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock
) -> None:
    smtp.next("CONTENT", "451 4.3.0 try again", "451 4.3.0 and again")
    async with emailing(smtp.url) as service:
        id = await service.send()
        for attempt in (1, 2):
            await until_due(service, clock, await tried(service, id, attempt))
        await service.completed(id)
        delivery = await delivery_of(service, id)
    assert outcomes(delivery) == ["retryable", "retryable", "sent"]
    (mail,) = smtp.mails
    assert smtp.refused == [mail.content, mail.content]


async def test_uses_few_connections_for_many_messages(smtp: SmtpServer, emailing: Emailing) -> None:
    to = [f"mailto:student{n}@univ.example" for n in range(60)]
    async with emailing(smtp.url, SMTP_CONNECTIONS="4") as service:
        await service.completed(await service.send(to=to))
        await service.completed(await service.send(to=to))
        assert len(smtp.mails) == 120
        # A quarter is kept for urgent mail, and this is not.
        assert smtp.most_at_once <= 3
        assert smtp.connections <= 3
        await service.completed(
            await service.send(
                kind="security",
                to=to,
                data={"location": "Building B", "instructions": "Leave it."},
            )
        )
        assert len(smtp.mails) == 180
        assert smtp.connections <= 4
    assert smtp.open == 0


async def test_urgent_mail_does_not_wait_for_hanging_connections(
    smtp: SmtpServer, emailing: Emailing
) -> None:
    for number in range(6):
        smtp.always(f"RCPT slow{number}@univ.example", HANG)
    async with emailing(smtp.url, SMTP_CONNECTIONS="2", DRAIN_SECONDS="0") as service:
        await service.send(to=[f"mailto:slow{n}@univ.example" for n in range(6)])
        await eventually(lambda: bool(smtp.recipients))
        id = await service.send(
            kind="security", data={"location": "Building B", "instructions": "Leave it."}
        )
        await service.completed(id)
        assert [mail.recipients for mail in smtp.mails] == [["ada@univ.example"]]
        assert smtp.recipients == ["slow0@univ.example", "ada@univ.example"]


async def test_a_connection_that_the_server_closed_costs_no_attempt(
    smtp: SmtpServer, emailing: Emailing
) -> None:
    async with emailing(smtp.url) as service:
        await service.completed(await service.send())
        smtp.disconnect()
        await eventually(lambda: smtp.open == 0)
        id = await service.send()
        await service.completed(id)
        assert outcomes(await delivery_of(service, id)) == ["sent"]
    assert [mail.connection for mail in smtp.mails] == [1, 2]


@pytest.mark.parametrize("refusal", ["450 4.2.1 busy", "550 5.1.1 no such user"])
async def test_a_refused_recipient_does_not_cost_the_connection(
    smtp: SmtpServer, emailing: Emailing, refusal: str
) -> None:
    smtp.next("RCPT", refusal)
    async with emailing(smtp.url) as service:
        await tried(service, await service.send())
        await service.completed(await service.send())
    assert smtp.connections == 1


async def test_the_date_is_the_time_of_acceptance(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock
) -> None:
    smtp.next("RCPT", "450 4.2.1 busy")
    accepted = datetime.fromtimestamp(clock.now() // 1000, UTC)
    async with emailing(smtp.url) as service:
        id = await service.send()
        delivery = await tried(service, id)
        await clock.advance(3600)
        await service.completed(id)
    assert delivery["next_attempt_at"] is not None
    assert parsedate_to_datetime(smtp.mails[0].message["Date"]) == accepted
