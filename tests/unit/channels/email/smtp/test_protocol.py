"""The wire of an SMTP connection: replies in any packets, and their limits."""

import asyncio
import ssl

import pytest
from aiosmtplib import SMTPException, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.errors import SMTPTimeoutError

from flashnotify.channels.email.smtp.protocol import Protocol


class Wire(asyncio.Transport):
    """Keeps what is written, packet by packet."""

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[bytes] = []
        self.end = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.packets.append(bytes(data))

    def close(self) -> None:
        self.end = "closed"

    def abort(self) -> None:
        self.end = "aborted"


@pytest.fixture
async def connection() -> tuple[Protocol, Wire]:
    """Return a connection that was greeted."""
    protocol, wire = Protocol(), Wire()
    protocol.connection_made(wire)
    protocol.data_received(b"220 mail.test\r\n")
    assert tuple(await protocol.reply(1)) == (220, "mail.test")
    return protocol, wire


MAIL, RCPT, DATA = (250, "2.1.0 sender ok"), (550, "5.1.1 no\nsuch user"), (354, "go on")
REPLIES = b"250 2.1.0 sender ok\r\n550-5.1.1 no\r\n550 such user\r\n354 go on\r\n"


@pytest.mark.parametrize("size", [1, 2, 7, 22, 30, 40, len(REPLIES)])
async def test_replies_come_in_any_packets(connection: tuple[Protocol, Wire], size: int) -> None:
    protocol, wire = connection
    protocol.send("MAIL", "RCPT", "DATA")
    assert wire.packets == [b"MAIL\r\nRCPT\r\nDATA\r\n"]

    async def replies() -> list[tuple[object, ...]]:
        return [tuple(await protocol.reply(1)) for _ in range(3)]

    reading = asyncio.create_task(replies())
    for start in range(0, len(REPLIES), size):
        protocol.data_received(REPLIES[start : start + size])
        await asyncio.sleep(0)
    assert await reading == [MAIL, RCPT, DATA]
    assert protocol.settled


async def test_replies_that_came_before_the_end_are_read(
    connection: tuple[Protocol, Wire],
) -> None:
    protocol, _ = connection
    protocol.send("MAIL", "RCPT", "DATA")
    protocol.data_received(b"250 ok\r\n250 ok\r\n35")
    protocol.eof_received()
    protocol.connection_lost(None)
    assert [(await protocol.reply(1)).code for _ in range(2)] == [250, 250]
    with pytest.raises(SMTPServerDisconnected, match="Unexpected EOF received"):
        await protocol.reply(1)
    assert protocol.begun == b"35"


@pytest.mark.looptime
async def test_the_time_is_that_of_a_whole_reply(connection: tuple[Protocol, Wire]) -> None:
    protocol, _ = connection
    protocol.send("MAIL")
    loop = asyncio.get_running_loop()
    for seconds in range(20):
        loop.call_later(seconds, protocol.data_received, b"250-more\r\n")
    began = loop.time()
    with pytest.raises(SMTPTimeoutError, match=r"no answer within 10 s"):
        await protocol.reply(10)
    assert loop.time() - began == pytest.approx(10)
    assert not protocol.settled


@pytest.mark.parametrize("data", [b"hello\r\n", b"250-ok\r\nid=42\r\n", b"\r\n", b"2\xb20 ok\r\n"])
async def test_a_line_without_a_code_is_malformed(
    connection: tuple[Protocol, Wire], data: bytes
) -> None:
    protocol, _ = connection
    protocol.send("MAIL")
    protocol.data_received(data)
    with pytest.raises(SMTPResponseException, match="Malformed SMTP response line"):
        await protocol.reply(1)
    assert not protocol.settled


@pytest.mark.parametrize("data", [b"x" * 40_000, b"250-more\r\n" * 4000])
async def test_a_reply_has_a_limit(connection: tuple[Protocol, Wire], data: bytes) -> None:
    protocol, wire = connection
    protocol.send("MAIL")
    protocol.data_received(data)
    with pytest.raises(SMTPException):
        await protocol.reply(1)
    assert wire.end == "aborted"


async def test_a_reply_to_nothing_is_not_taken_for_that_to_the_next_command(
    connection: tuple[Protocol, Wire],
) -> None:
    protocol, wire = connection
    protocol.data_received(b"250 ok\r\n")
    assert not protocol.settled
    with pytest.raises(SMTPServerDisconnected, match="a reply to no command"):
        protocol.send("MAIL")
    with pytest.raises(SMTPServerDisconnected, match="a reply to no command"):
        protocol.write(b".\r\n")
    assert wire.packets == []


async def test_tls_does_not_begin_behind_text_that_may_be_forged(
    connection: tuple[Protocol, Wire],
) -> None:
    """RFC 3207, section 6."""
    protocol, _ = connection
    protocol.send("STARTTLS")
    protocol.data_received(b"220 go ahead\r\n250 forged\r\n")
    assert (await protocol.reply(1)).code == 220
    with pytest.raises(SMTPServerDisconnected, match="a reply to no command"):
        await protocol.start_tls(ssl.create_default_context(), "mail.test")


async def test_nothing_follows_421(connection: tuple[Protocol, Wire]) -> None:
    protocol, _ = connection
    protocol.send("MAIL", "RCPT", "DATA")
    protocol.data_received(b"421 4.3.2 shutting down\r\n")
    assert (await protocol.reply(1)).code == 421
    with pytest.raises(SMTPServerDisconnected, match=r"421 4\.3\.2 shutting down"):
        await protocol.reply(1)


async def test_nothing_follows_a_reply_that_nobody_read(
    connection: tuple[Protocol, Wire],
) -> None:
    protocol, wire = connection
    protocol.send("MAIL")
    reading = asyncio.create_task(protocol.reply(1))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait({reading})
    protocol.data_received(b"250 ok\r\n")
    assert not protocol.settled
    protocol.close()
    assert wire.end == "aborted"


@pytest.mark.parametrize("command", ["MAIL\r\nRSET", "MAIL\0", "MAIL\x7f", "MAIL\u2028", "MAIL é"])
async def test_a_command_is_one_line_of_ascii(
    connection: tuple[Protocol, Wire], command: str
) -> None:
    protocol, wire = connection
    with pytest.raises(ValueError, match=r"control character|ascii"):
        protocol.send("EHLO", command)
    assert wire.packets == []
    assert protocol.settled
