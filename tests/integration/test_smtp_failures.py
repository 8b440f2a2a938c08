"""Email failures: misbehaving servers, and the status of the delivery."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from flashnotify.channels.email.smtp.transport import SmtpTransport
from tests.integration.conftest import Emailing
from tests.integration.deliveries import (
    answers,
    delivery_of,
    let_pass,
    milliseconds,
    outcomes,
    tried,
    until_due,
)
from tests.support.manual_clock import ManualClock
from tests.support.running import Running
from tests.support.smtp_server import DROP, HANG, TAKE_AND_DROP, Answer, SmtpServer

SECURITY = {"kind": "security", "data": {"location": "B", "instructions": "Leave it."}}


def transport_of(service: Running) -> SmtpTransport:
    transport = service.service.channels["email"].transports[0].transport
    assert isinstance(transport, SmtpTransport)
    return transport


async def ready(service: Running) -> tuple[str, str]:
    """Return the status of /readyz and the state of the first email transport."""
    found = await service.ready()
    states = [t["state"] for t in found["transports"] if t["channel"] == "email"]
    return found["status"], states[0]


@pytest.fixture(params=[True, False], ids=["at once", "step by step"])
def pipelining(request: pytest.FixtureRequest, smtp: SmtpServer) -> None:
    """Run a test with the commands of a message at once, and one by one."""
    smtp.pipelining = request.param


in_both_ways = pytest.mark.usefixtures("pipelining")


@in_both_ways
@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "CONTENT"])
async def test_a_temporary_refusal_is_retried_when_due(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock, command: str
) -> None:
    smtp.next(command, "451 4.7.1 Greylisted, try again\tlater")
    async with emailing(smtp.url) as service:
        id = await service.send()
        began = clock.now()
        delivery = await tried(service, id)
        assert (delivery["status"], outcomes(delivery)) == ("queued", ["retryable"])
        assert answers(delivery) == ["451 4.7.1 Greylisted, try again later"]
        due = milliseconds(delivery["next_attempt_at"])
        assert began <= due <= began + 2000
        await until_due(service, clock, delivery)
        await service.completed(id)
        delivery = await tried(service, id, 2)
        assert (delivery["status"], outcomes(delivery)) == ("sent", ["retryable", "sent"])
        assert milliseconds(delivery["attempts"][1]["at"]) == due
        assert await ready(service) == ("ok", "ok")
    assert len(smtp.mails) == 1
    assert smtp.connections == (2 if command == "MAIL" else 1)


@in_both_ways
@pytest.mark.parametrize("command", ["RCPT", "DATA", "CONTENT"])
async def test_a_permanent_refusal_fails_with_the_servers_reply(
    smtp: SmtpServer, emailing: Emailing, command: str
) -> None:
    smtp.next(command, "550-5.1.1 The account does\r\n550 5.1.1 not exist.")
    async with emailing(smtp.url) as service:
        id = await service.send(to=["mailto:ada@univ.example", "mailto:bob@univ.example"])
        shown = await service.completed(id)
        assert shown["counts"] == {"email": {"failed": 1, "sent": 1}}
        page = await service.get(f"/v1/notifications/{id}/deliveries", status="failed")
        (delivery,) = page["items"]
        assert outcomes(delivery) == ["rejected"]
        assert answers(delivery) == ["550 5.1.1 The account does 5.1.1 not exist."]
        assert delivery["reason"] == answers(delivery)[0]
        assert delivery["next_attempt_at"] is None
        assert await ready(service) == ("ok", "ok")


async def test_a_list_shows_the_latest_attempts_and_their_number(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock
) -> None:
    smtp.next("RCPT", *(f"451 {number}" for number in range(1, 8)))
    async with emailing(smtp.url) as service:
        id = await service.send()
        for number in range(1, 7):
            await until_due(service, clock, await tried(service, id, number))
        delivery = await tried(service, id, 7)
        assert [(a["number"], a["answer"]) for a in delivery["attempts"]] == [
            (number, f"451 {number}") for number in range(3, 8)
        ]


@in_both_ways
@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        ("CONNECT", "421 4.3.2 shutting down", "421 4.3.2 shutting down"),
        ("CONNECT", "554 5.7.1 no service for you", "554 5.7.1 no service for you"),
        ("CONNECT", DROP, "Error connecting to 127.0.0.1 on port"),
        ("MAIL", "421 4.3.2 shutting down", "421 4.3.2 shutting down"),
        ("MAIL", DROP, "(Unexpected EOF received|Connection lost)"),
        ("RCPT", "421 4.3.2 shutting down", "421 4.3.2 shutting down"),
        ("RCPT", DROP, "(Unexpected EOF received|Connection lost)"),
        ("DATA", DROP, "(Unexpected EOF received|Connection lost)"),
        ("CONTENT", "421 4.3.2 shutting down", "421 4.3.2 shutting down"),
        ("CONTENT", DROP, "(Unexpected EOF received|Connection lost)"),
    ],
)
async def test_a_dropped_connection_is_retried(
    smtp: SmtpServer,
    emailing: Emailing,
    clock: ManualClock,
    command: str,
    answer: Answer,
    words: str,
) -> None:
    smtp.next(command, answer)
    async with emailing(smtp.url) as service:
        id = await service.send()
        delivery = await tried(service, id)
        assert (delivery["status"], outcomes(delivery)) == ("queued", ["retryable"])
        assert re.match(words, str(answers(delivery)[0]))
        await until_due(service, clock, delivery)
        await service.completed(id)
        assert outcomes(await delivery_of(service, id)) == ["retryable", "sent"]
    assert len(smtp.mails) == 1


async def test_a_lost_answer_sends_the_same_message_again(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock
) -> None:
    smtp.next("CONTENT", TAKE_AND_DROP)
    async with emailing(smtp.url) as service:
        id = await service.send()
        await until_due(service, clock, await tried(service, id))
        await service.completed(id)
        assert outcomes(await delivery_of(service, id)) == ["retryable", "sent"]
    first, second = smtp.mails
    assert first.content == second.content
    assert first.message_id == second.message_id


@in_both_ways
@pytest.mark.parametrize("command", ["CONNECT", "MAIL", "RCPT", "DATA", "CONTENT"])
async def test_a_hanging_server_times_out(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock, command: str
) -> None:
    smtp.next(command, HANG)
    async with emailing(smtp.url, SMTP_TIMEOUT="0.4") as service:
        id = await service.send()
        delivery = await tried(service, id)
        assert outcomes(delivery) == ["retryable"]
        assert answers(delivery) == ["no answer within 0.4 s"]
        transport_of(service).timeout = 5
        await until_due(service, clock, delivery)
        await service.completed(id)
    assert len(smtp.mails) == 1


async def test_a_result_is_on_disk_while_others_of_its_batch_are_in_flight(
    smtp: SmtpServer, emailing: Emailing
) -> None:
    """Otherwise, a crash would send all of them again."""
    smtp.next("RCPT", HANG)
    async with emailing(smtp.url) as service:
        id = await service.send(to=[f"mailto:{n}@univ.example" for n in range(3)])
        found = await service.until(
            f"/v1/notifications/{id}/deliveries",
            lambda page: sum(d["status"] == "sent" for d in page["items"]) == 2,
        )
        (hanging,) = [d for d in found["items"] if d["status"] != "sent"]
        assert (hanging["status"], hanging["attempts"]) == ("sending", [])
        assert hanging["next_attempt_at"] is None
        assert all(len(d["attempts"]) == 1 for d in found["items"] if d["status"] == "sent")
        assert (await service.get(f"/v1/notifications/{id}"))["counts"] == {
            "email": {"sent": 2, "queued": 1}
        }
        await smtp.stop()


async def test_an_attempt_that_ends_while_a_list_is_read_is_not_shown_as_under_way(
    smtp: SmtpServer, emailing: Emailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    smtp.next("RCPT", HANG)
    async with emailing(smtp.url) as service:
        id = await service.send()
        path = f"/v1/notifications/{id}/deliveries"
        await service.until(path, lambda p: p["items"] and p["items"][0]["status"] == "sending")
        deliveries = service.service.archive.deliveries
        page = deliveries.page

        async def page_after_the_attempt(*wanted: Any, **limits: Any) -> Any:
            await smtp.stop()
            found = await page(*wanted, **limits)
            while not found.items[0].attempts:
                found = await page(*wanted, **limits)
            return found

        monkeypatch.setattr(deliveries, "page", page_after_the_attempt)
        (delivery,) = (await service.get(path))["items"]
        assert (delivery["status"], outcomes(delivery)) == ("queued", ["retryable"])


async def test_a_server_that_was_down_gets_everything_once_it_is_up(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock
) -> None:
    await smtp.stop()
    async with emailing(smtp.url) as service:
        ids = [await service.send() for _ in range(8)]
        deliveries = [await delivery_of(service, id) for id in ids]
        while (await ready(service))[0] == "ok":
            # Until five have failed in a row.
            await clock.advance(1)
        assert await ready(service) == ("degraded", "failing")
        assert await breaker_of_email(service) == "open"
        assert "breaker_open" in (await service.anonymous.get("/metrics")).text
        tries = [await delivery_of(service, id) for id in ids]
        before = sum(delivery["attempt_count"] for delivery in tries)
        assert all(
            str(a).startswith("Error connecting to")
            for delivery in tries
            for a in answers(delivery)
        )
        # An open breaker costs no attempt.
        await let_pass(service, clock, 20)
        late = [await service.send() for _ in range(3)]
        for id in late:
            page = await service.until(
                f"/v1/notifications/{id}/deliveries",
                lambda p: p["items"] and p["items"][0]["reason"],
            )
            assert page["items"][0]["reason"] == "waits for the transport to work again"
            assert page["items"][0]["attempts"] == []
        after = [await delivery_of(service, id) for id in ids]
        assert sum(delivery["attempt_count"] for delivery in after) == before
        await let_pass(service, clock, 10)
        assert await breaker_of_email(service) == "half_open"
        await smtp.start()
        while set(await statuses(service, [*ids, *late])) != {"completed"}:
            await clock.advance(1)
        assert await ready(service) == ("ok", "ok")
        assert await breaker_of_email(service) == "closed"
    sent = [mail.message_id for mail in smtp.mails]
    assert len(sent) == len(set(sent)) == 11
    assert {f"<{delivery['id']}@campus.example>" for delivery in deliveries} < set(sent)


async def breaker_of_email(service: Running) -> str:
    channels = (await service.get("/v1/channels"))["items"]
    ((found,),) = [c["transports"] for c in channels if c["channel"] == "email"]
    return str(found["breaker"])


async def statuses(service: Running, ids: list[str]) -> list[str]:
    return [(await service.get(f"/v1/notifications/{id}"))["status"] for id in ids]


async def test_gives_up_on_expiry_with_the_last_reply(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock
) -> None:
    smtp.always("RCPT", "452 4.2.2 mailbox full")
    async with emailing(smtp.url) as service:
        id = await service.send(expires_at="2027-01-15T08:01:00Z")
        attempts = 1
        while (delivery := await tried(service, id, attempts))["status"] == "queued":
            await until_due(service, clock, delivery)
            attempts += 1
    assert delivery["status"] == "failed"
    assert delivery["reason"] == (
        "expired before the next attempt; last answer: 452 4.2.2 mailbox full"
    )
    assert set(answers(delivery)) == {"452 4.2.2 mailbox full"}
    assert delivery["attempt_count"] > 2
    every = [*range(1, delivery["attempt_count"] + 1)]
    assert [attempt["number"] for attempt in delivery["attempts"]] == every[-5:]
    assert smtp.mails == []


async def test_fails_over_to_the_second_url(
    smtp: SmtpServer,
    emailing: Emailing,
    clock: ManualClock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with SmtpServer() as second:
        smtp.next("RCPT", "451 4.3.0 not now")
        async with emailing(f"{smtp.url} {second.url}") as service:
            id = await service.send()
            await service.completed(id)
            delivery = await delivery_of(service, id)
            assert outcomes(delivery) == ["retryable", "sent"]
            assert [a["transport"] for a in delivery["attempts"]] == [smtp.url, second.url]
            assert answers(delivery) == ["451 4.3.0 not now", "250 2.0.0 queued as 1"]
            # The first one again, for the next.
            await service.completed(await service.send())
            assert (len(smtp.mails), len(second.mails)) == (1, 1)
            # Refused for good is refused for good.
            smtp.next("RCPT", "550 5.1.1 no such user")
            id = await service.send()
            await service.completed(id)
            assert outcomes(await delivery_of(service, id)) == ["rejected"]
            assert (len(smtp.mails), len(second.mails)) == (1, 1)
            # A server that is down is left alone after five failures, and costs no attempt then.
            await smtp.stop()
            capsys.readouterr()
            ids = []
            for _ in range(7):
                ids.append(await service.send())
                await service.completed(ids[-1])
            tries = [(await delivery_of(service, id))["attempt_count"] for id in ids]
            assert sorted(tries) == [1, 1, 2, 2, 2, 2, 2]
            assert len(second.mails) == 8
            assert await ready(service) == ("degraded", "failing")
            # Whoever reads the log is told once, and again when it is over.
            assert capsys.readouterr().out.count("transport.breaker_opened") == 1
            await smtp.start()
            await let_pass(service, clock, 31)
            await service.completed(await service.send())
            assert await ready(service) == ("ok", "ok")
            assert capsys.readouterr().out.count("transport.breaker_closed") == 1


async def test_both_urls_down_retries(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock
) -> None:
    async with SmtpServer() as second:
        smtp.next("RCPT", "451 4.3.0 not now")
        second.next("RCPT", "452 4.3.1 not now either")
        async with emailing(f"{smtp.url} {second.url}") as service:
            id = await service.send()
            delivery = await tried(service, id, 2)
            assert delivery["status"] == "queued"
            assert answers(delivery) == ["451 4.3.0 not now", "452 4.3.1 not now either"]
            await until_due(service, clock, delivery)
            await service.completed(id)
            assert [a["number"] for a in (await tried(service, id, 3))["attempts"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("EHLO", "550 5.7.1 who are you"),
        ("MAIL", "553 5.7.1 not your address"),
        ("RCPT", "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname"),
    ],
)
async def test_what_a_server_says_about_us_is_misconfigured_and_ends_nothing(
    smtp: SmtpServer, emailing: Emailing, clock: ManualClock, command: str, answer: str
) -> None:
    smtp.always(command, answer)
    async with emailing(smtp.url) as service:
        id = await service.send()
        delivery = await tried(service, id)
        assert outcomes(delivery) == ["misconfigured"]
        assert await ready(service) == ("degraded", "failing")
        smtp.always(command, None)
        await let_pass(service, clock, 60)
        await service.completed(id)
        assert await ready(service) == ("ok", "ok")


@pytest.mark.parametrize("words", ["é 451 €\xff", "x" * 400])
async def test_odd_answers_are_kept_as_text(
    smtp: SmtpServer, emailing: Emailing, words: str
) -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 " + words.encode("latin-1", "replace") + b"\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(odd, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, emailing(f"smtp://127.0.0.1:{port}") as service:
        delivery = await tried(service, await service.send())
        assert outcomes(delivery) == ["retryable"]
        assert str(answers(delivery)[0]).startswith("554 ")


@pytest.mark.parametrize(
    "greeting", [b"\x16\x03\x01 nonsense\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220" * 10_000]
)
async def test_a_server_that_does_not_speak_smtp_is_retried(
    emailing: Emailing, greeting: bytes
) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(other, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"smtp://127.0.0.1:{port}"
    async with server, emailing(url, SMTP_TIMEOUT="0.5") as service:
        delivery = await tried(service, await service.send())
        assert outcomes(delivery) == ["retryable"]
        assert not str(answers(delivery)[0]).startswith("internal error")


async def test_an_unresolvable_name_is_retried(emailing: Emailing) -> None:
    async with emailing("smtp://mail.invalid:25") as service:
        delivery: dict[str, Any] = await tried(service, await service.send())
        assert outcomes(delivery) == ["retryable"]
        assert "mail.invalid" in str(answers(delivery)[0])
