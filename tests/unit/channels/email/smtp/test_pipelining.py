"""The commands of a message at once (RFC 2920), and each failure as without that."""

from collections.abc import Sequence

import pytest

from flashnotify.channels.email.smtp import session
from flashnotify.channels.email.smtp.stages import Stage
from flashnotify.errors import (
    AddressRefused,
    Misconfigured,
    Rejected,
    Retryable,
    TransportError,
    Unreachable,
)
from tests.support.certificates import Authority
from tests.support.smtp_server import DROP, HANG, Answer, SmtpServer
from tests.unit.channels.email.conftest import Made, email

MAIL, RCPT, DATA = (
    b"MAIL FROM:<noreply@univ.example>\r\n",
    b"RCPT TO:<ada@univ.example>\r\n",
    b"DATA\r\n",
)
RSET, DOT = b"RSET\r\n", b".\r\n"


def commands(smtp: SmtpServer) -> Sequence[bytes]:
    """What came at once, without EHLO and the messages."""
    return [p for p in smtp.packets if not p.startswith((b"EHLO", b"To:"))]


async def test_all_commands_of_a_message_leave_at_once(smtp: SmtpServer, made: Made) -> None:
    transport = made(smtp.url)
    for _ in range(2):
        await transport.send(email())
    assert commands(smtp) == [MAIL + RCPT + DATA] * 2
    assert (len(smtp.mails), smtp.connections) == (2, 1)


async def test_a_server_that_does_not_offer_it_gets_them_one_by_one(
    smtp: SmtpServer, made: Made
) -> None:
    smtp.pipelining = False
    await made(smtp.url).send(email())
    assert commands(smtp) == [MAIL, RCPT, DATA]
    assert len(smtp.mails) == 1


async def test_what_a_server_offers_before_tls_does_not_count(
    authority: Authority, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SmtpServer(starttls=authority.server()) as smtp:
        original = session.Session._start_tls

        async def start_tls(self: session.Session, *, offered: bool) -> None:
            smtp.pipelining = False
            await original(self, offered=offered)

        monkeypatch.setattr(session.Session, "_start_tls", start_tls)
        await made(smtp.url, ca_file=authority.ca_file).send(email())
        assert [mail.encrypted for mail in smtp.mails] == [True]
        assert {MAIL, RCPT, DATA} < set(smtp.packets)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("command", "answer", "expected", "connections"),
    [
        ("MAIL", "451 4.3.0 not now", Unreachable, 2),
        ("MAIL", "550 5.7.1 not your address", Misconfigured, 2),
        ("MAIL", "421 4.3.2 shutting down", Unreachable, 2),
        ("MAIL", DROP, Unreachable, 2),
        ("MAIL", HANG, Unreachable, 2),
        ("RCPT", "451 4.2.1 not now", Retryable, 1),
        ("RCPT", "550 5.1.1 no such user", AddressRefused, 1),
        ("RCPT", "550-5.1.1 no\r\n550 5.1.1 such user", AddressRefused, 1),
        ("RCPT", "421 4.3.2 shutting down", Unreachable, 2),
        ("RCPT", "what", Unreachable, 2),
        ("RCPT", DROP, Unreachable, 2),
        ("RCPT", HANG, Unreachable, 2),
        ("DATA", "451 4.3.0 not now", Retryable, 1),
        ("DATA", "554 5.6.0 no", Rejected, 1),
        ("DATA", "250 odd", Unreachable, 1),
        ("DATA", "421 4.3.2 shutting down", Unreachable, 2),
        ("DATA", DROP, Unreachable, 2),
        ("DATA", HANG, Unreachable, 2),
        ("CONTENT", "451 4.3.0 not now", Retryable, 1),
        ("CONTENT", "554 5.7.1 looks like spam", Rejected, 1),
        ("CONTENT", "421 4.3.2 shutting down", Unreachable, 2),
        ("CONTENT", DROP, Unreachable, 2),
        ("CONTENT", HANG, Unreachable, 2),
    ],
)
async def test_a_failure_means_the_same_in_both_ways(
    smtp: SmtpServer,
    made: Made,
    monkeypatch: pytest.MonkeyPatch,
    pipelining: bool,
    command: str,
    answer: Answer,
    expected: type[TransportError],
    connections: int,
) -> None:
    smtp.pipelining = pipelining
    transport = made(smtp.url)
    stages = {"MAIL": Stage.sender, "RCPT": Stage.recipient, "DATA": Stage.data}
    if answer is HANG:
        monkeypatch.setattr(stages.get(command, Stage.end_of_data), "timeout", 0.05)
        # Nothing else is waited for.
        monkeypatch.setattr(session, "_BRIEF", 3600.0)
    smtp.next(command, answer)
    with pytest.raises(TransportError) as failure:
        await transport.send(email())
    assert type(failure.value) is expected
    if isinstance(answer, str):
        assert failure.value.reason.endswith(answer.rpartition("\n")[2].partition(" ")[2] or "what")
    await transport.send(email())
    assert (len(smtp.mails), smtp.connections) == (1, connections)


@pytest.mark.parametrize("answer", ["550 5.1.1 no such user", "450 4.2.1 not now"])
async def test_data_that_is_refused_too_is_only_reset(
    smtp: SmtpServer, made: Made, answer: str
) -> None:
    transport = made(smtp.url)
    smtp.next("RCPT", answer)
    with pytest.raises(TransportError, match=answer[:3]):
        await transport.send(email())
    await transport.send(email())
    assert commands(smtp) == [MAIL + RCPT + DATA, RSET, MAIL + RCPT + DATA]
    assert (len(smtp.mails), smtp.connections) == (1, 1)


async def test_data_that_is_accepted_without_a_recipient_gets_a_lone_dot(
    smtp: SmtpServer, made: Made
) -> None:
    transport = made(smtp.url)
    smtp.next("RCPT", "550 5.1.1 no such user")
    smtp.next("DATA", "354 go on")
    with pytest.raises(Rejected, match="no such user"):
        await transport.send(email())
    await transport.send(email())
    assert commands(smtp) == [MAIL + RCPT + DATA, DOT, RSET, MAIL + RCPT + DATA]
    assert (len(smtp.mails), smtp.connections) == (1, 1)


@pytest.mark.parametrize("answer", [HANG, DROP, "421 4.3.2 shutting down"])
async def test_a_recipient_that_is_refused_does_not_wait_for_data(
    smtp: SmtpServer, made: Made, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    monkeypatch.setattr(session, "_BRIEF", 0.05)
    transport = made(smtp.url)
    smtp.next("RCPT", "550 5.1.1 no such user")
    smtp.next("DATA", answer)
    with pytest.raises(Rejected, match="no such user"):
        await transport.send(email())
    await transport.send(email())
    assert commands(smtp) == [MAIL + RCPT + DATA] * 2
    assert (len(smtp.mails), smtp.connections) == (1, 2)


@pytest.mark.parametrize("answer", ["502 5.5.1 no such command", "354 go on", "what"])
async def test_a_message_that_cannot_be_reset_ends_its_session(
    smtp: SmtpServer, made: Made, answer: str
) -> None:
    transport = made(smtp.url)
    smtp.next("DATA", "451 4.3.0 not now")
    smtp.next("RSET", answer)
    with pytest.raises(Retryable, match="not now"):
        await transport.send(email("bob@univ.example"))
    await transport.send(email())
    # In the same session, a lenient server would send the second to Bob too.
    to_bob = MAIL + b"RCPT TO:<bob@univ.example>\r\n" + DATA
    assert commands(smtp) == [to_bob, RSET, MAIL + RCPT + DATA]
    assert (len(smtp.mails), smtp.connections) == (1, 2)
