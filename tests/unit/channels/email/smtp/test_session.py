"""One SMTP session, as strict servers want it."""

import asyncio

import pytest

from flashnotify.channels.email.smtp.stages import Stage
from flashnotify.errors import (
    AddressRefused,
    Misconfigured,
    Rejected,
    Retryable,
    SettingsError,
    TransportError,
    Unreachable,
)
from tests.support.certificates import Authority
from tests.support.smtp_server import HANG, SmtpServer
from tests.unit.channels.email.conftest import Made, email


async def fails(made: Made, url: str, **settings: object) -> TransportError:
    """Return the error of a message to `url`."""
    with pytest.raises(TransportError) as failure:
        await made(url, **settings).send(email())
    return failure.value


async def test_there_is_one_ehlo_in_a_session_however_many_messages(
    smtp: SmtpServer, made: Made
) -> None:
    transport = made(smtp.url)
    smtp.next("RCPT", "450 4.2.1 not now")
    with pytest.raises(Retryable):
        await transport.send(email())
    await transport.send(email())
    await transport.send(email())
    assert smtp.hellos == [(1, "EHLO", "campus.example")]


async def test_there_is_another_ehlo_only_after_starttls(authority: Authority, made: Made) -> None:
    async with SmtpServer(starttls=authority.server(), accounts={"user": "word"}) as smtp:
        host = f"user:word@127.0.0.1:{smtp.port}"
        await made(f"smtp://{host}", ca_file=authority.ca_file).send(email())
        assert [(mail.login, mail.encrypted) for mail in smtp.mails] == [("user", True)]
        assert smtp.hellos == [(1, "EHLO", "campus.example")] * 2


@pytest.mark.parametrize("code", [500, 502, 504])
async def test_a_server_without_ehlo_gets_helo(smtp: SmtpServer, made: Made, code: int) -> None:
    smtp.always("EHLO", f"{code} 5.5.1 what is that")
    await made(smtp.url).send(email())
    assert [hello[1:] for hello in smtp.hellos] == [
        ("EHLO", "campus.example"),
        ("HELO", "campus.example"),
    ]
    assert len(smtp.mails) == 1


@pytest.mark.parametrize(
    ("sender", "name", "said"),
    [
        ("Campus <noreply@univ.example>", None, "univ.example"),
        ("noreply@univ.example", "notify.univ.example", "notify.univ.example"),
        ("noreply@univ.example", "[192.0.2.1]", "[192.0.2.1]"),
    ],
)
async def test_the_name_in_ehlo(
    smtp: SmtpServer,
    made: Made,
    monkeypatch: pytest.MonkeyPatch,
    sender: str,
    name: str | None,
    said: str,
) -> None:
    monkeypatch.setenv("FLASHNOTIFY_EMAIL_FROM", sender)
    await made(smtp.url, ehlo_name=name).send(email())
    assert [hello[2] for hello in smtp.hellos] == [said]


@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain", "a b", "a\r\nRSET", "[x]"])
def test_names_that_say_nothing_are_refused(made: Made, name: str) -> None:
    with pytest.raises(SettingsError, match="SMTP_EHLO_NAME"):
        made("smtp://127.0.0.1", ehlo_name=name)


US, LATER, RECIPIENT, ADDRESS = Misconfigured, Unreachable, Rejected, AddressRefused


@pytest.mark.parametrize(
    ("command", "answer", "expected"),
    [
        ("CONNECT", "554 5.7.1 no service for you", LATER),
        ("EHLO", "550 5.7.1 who are you", US),
        ("EHLO", "450 4.7.1 who are you", LATER),
        ("MAIL", "550 5.7.1 not your address", US),
        ("MAIL", "530 5.7.0 Must issue a STARTTLS command first", US),
        ("MAIL", "450 4.7.1 too many messages", LATER),
        # As Postfix says it, which waits for RCPT with everything.
        ("RCPT", "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname", US),
        ("RCPT", "550 5.7.1 <x>: Helo command rejected: Host not found", LATER),
        ("RCPT", "450 4.7.1 <x>: Helo command rejected: Host not found", LATER),
        ("RCPT", "554 5.7.1 <x[192.0.2.1]>: Client host rejected: Access denied", LATER),
        ("RCPT", "554 5.7.1 <ada@x.example>: Relay access denied", LATER),
        ("RCPT", "553 5.7.1 <x@x.example>: Sender address rejected: not owned by user", LATER),
        ("RCPT", "530 5.7.0 Authentication required", US),
        ("RCPT", "535 5.7.8 login first", US),
        ("RCPT", "550 5.7.0 too fast", LATER),
        ("RCPT", "550 5.7.25 reverse DNS validation failed", LATER),
        ("RCPT", "550 relay not permitted", LATER),
        ("RCPT", "550 Sender verify failed", LATER),
        ("RCPT", "503 AUTH first", LATER),
        ("RCPT", "550 5.4.5 Daily sending quota exceeded", LATER),
        ("DATA", "550 5.7.0 too fast", Retryable),
        ("CONTENT", "550-5.7.0 Mail relay denied\r\n550 5.7.0 for you", Retryable),
        # About the recipient or the message.
        ("RCPT", "451 4.7.1 Greylisted, try again later", Retryable),
        ("RCPT", "550 5.1.1 User unknown in relay recipient table", ADDRESS),
        ("RCPT", "550 5.2.1 this host knows that the mailbox is disabled", ADDRESS),
        ("RCPT", "554 5.7.1 <ada@x.example>: Recipient address rejected: Access denied", RECIPIENT),
        ("RCPT", "550 no such user", ADDRESS),
        ("CONTENT", "554 5.7.1 looks like spam", RECIPIENT),
    ],
)
async def test_what_a_refusal_is_about(
    smtp: SmtpServer, made: Made, command: str, answer: str, expected: type[TransportError]
) -> None:
    smtp.next(command, answer)
    assert type(await fails(made, smtp.url)) is expected


async def test_ehlo_and_helo_refused_is_misconfigured(smtp: SmtpServer, made: Made) -> None:
    smtp.always("EHLO", "501 5.5.4 invalid name")
    smtp.always("HELO", "501 5.5.4 invalid name")
    failure = await fails(made, smtp.url)
    assert isinstance(failure, Misconfigured)
    assert "FLASHNOTIFY_SMTP_EHLO_NAME" in str(failure.remedy)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("502 5.5.1 no", US), ("554 5.7.3 no", US), ("454 4.7.0 not now", LATER)],
)
@pytest.mark.parametrize("option", ["", "?starttls=require"])
async def test_starttls_refused_ends_no_delivery(
    authority: Authority,
    made: Made,
    answer: str,
    expected: type[TransportError],
    option: str,
) -> None:
    async with SmtpServer(starttls=authority.server()) as smtp:
        smtp.always("STARTTLS", answer)
        assert type(await fails(made, smtp.url + option)) is expected


async def test_the_check_walks_the_session_of_a_delivery(smtp: SmtpServer, made: Made) -> None:
    found = await made(smtp.url).check()
    assert "flashnotify@campus.example" in found
    smtp.next("MAIL", "550 5.7.1 not your address")
    with pytest.raises(Misconfigured) as failure:
        await made(smtp.url).check()
    assert "FLASHNOTIFY_EMAIL_FROM=" in str(failure.value.remedy)
    assert (smtp.recipients, smtp.mails) == ([], [])


def test_stages_have_the_timeouts_of_the_rfc() -> None:
    """RFC 5321, section 4.5.3.2; all but the first, which is about the network."""
    assert {stage.name: stage.timeout for stage in Stage} == {
        "connect": 10,
        "greeting": 300,
        "hello": 300,
        "starttls": 300,
        "login": 300,
        "sender": 300,
        "recipient": 300,
        "data": 120,
        "end_of_data": 600,
    }


@pytest.mark.parametrize(
    ("command", "stage"),
    [
        ("CONNECT", Stage.greeting),
        ("EHLO", Stage.hello),
        ("MAIL", Stage.sender),
        ("RCPT", Stage.recipient),
        ("DATA", Stage.data),
        ("CONTENT", Stage.end_of_data),
    ],
)
async def test_each_stage_has_its_own_timeout(
    smtp: SmtpServer, made: Made, monkeypatch: pytest.MonkeyPatch, command: str, stage: Stage
) -> None:
    monkeypatch.setattr(stage, "timeout", 0.05)
    smtp.next(command, HANG)
    failure = await fails(made, smtp.url)
    assert type(failure) is Unreachable
    assert failure.reason == "no answer within 0.05 s"


@pytest.mark.looptime
async def test_a_server_that_scans_a_message_for_minutes_gets_one_copy(
    smtp: SmtpServer, made: Made
) -> None:
    # aiosmtpd itself gives up after 300 s.
    smtp.scanning = 250.0
    transport = made(smtp.url)
    async with asyncio.timeout(transport.timeout):
        await transport.send(email())
    assert len(smtp.mails) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "200 ok",
        "252 2.0.0 taken",
        "250-ok\r\nid=42",
        "250 " + "x" * 9000,
        "250-queued\r\n" * 9000 + "250 ok",
    ],
    ids=["200", "252", "malformed", "long line", "many lines"],
)
async def test_what_begins_as_an_acceptance_is_one(
    smtp: SmtpServer, made: Made, answer: str
) -> None:
    """Otherwise somebody gets a copy at every attempt."""
    transport = made(smtp.url)
    smtp.next("CONTENT", answer)
    sent = await transport.send(email())
    assert sent.answer is not None
    assert sent.answer.startswith(answer[:3])
    # What is left of a broken answer is not taken for the next one.
    await transport.send(email())
    assert len(smtp.mails) == 1


@pytest.mark.parametrize(
    ("command", "answer", "reason"),
    [
        ("CONTENT", "354 go on", "354 go on"),
        ("DATA", "250 odd", "250 odd"),
        ("RCPT", "hello", "Malformed SMTP response line: hello"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_shown_as_it_is(
    smtp: SmtpServer, made: Made, command: str, answer: str, reason: str
) -> None:
    smtp.next(command, answer)
    failure = await fails(made, smtp.url)
    assert (type(failure), failure.reason.strip()) == (Unreachable, reason)
