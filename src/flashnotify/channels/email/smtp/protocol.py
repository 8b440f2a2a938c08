"""The wire of an SMTP connection: commands go out, and replies come in (RFC 5321, section 4.2).

aiosmtplib's protocol waits for the reply to one command before it takes another, so it cannot
pipeline (RFC 2920).
"""

import asyncio
import ssl
from typing import cast

from aiosmtplib import SMTPResponse, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.errors import SMTPTimeoutError

# Octets of one reply; that to EHLO has a few thousand.
_MAX_REPLY = 32_768
# The "code" of a reply that cannot be read.
_NO_CODE = -1


class Protocol(asyncio.Protocol):
    """A connection whose replies are read one by one, in whatever packets they come.

    `replies_due` is the number of replies that the server owes.
    """

    def __init__(self) -> None:
        # uvloop's transports are none of asyncio's classes, though they have the methods.
        self.transport: asyncio.Transport
        self._received = bytearray()
        # The server begins with a greeting.
        self.replies_due = 1
        self._ended: str | None = None
        self._arrived: asyncio.Future[None] | None = None

    @property
    def settled(self) -> bool:
        """Whether a command may follow: every one was answered, and nothing else has come."""
        return not (self.replies_due or self._received or self._ended)

    @property
    def begun(self) -> bytes:
        """The code with which a reply begins that is incomplete or malformed."""
        return bytes(self._received[:3])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take a part of a reply, or several replies."""
        self._received += data
        if len(self._received) > _MAX_REPLY:
            self._end("Response too long")
            self.transport.abort()
        self._wake()

    def eof_received(self) -> None:
        """Note the end; the event loop then closes the transport."""
        self._end("Unexpected EOF received")

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end."""
        self._end("Connection lost")

    def send(self, *commands: str) -> None:
        """Send commands at once, each of which has a reply. Raise SMTPException."""
        if not all(map(str.isprintable, commands)):
            raise ValueError("a command holds a control character")
        lines = "".join(f"{command}\r\n" for command in commands)
        self.write(lines.encode("ascii"), replies=len(commands))

    def write(self, data: bytes, *, replies: int = 1) -> None:
        """Send data that has so many replies. Raise SMTPException."""
        self._check_settled()
        self.replies_due += replies
        self.transport.write(data)

    async def reply(self, within: float) -> SMTPResponse:
        """Return the next reply, which has `within` seconds. Raise SMTPException."""
        reply = self._take() or await self._next(within)
        self.replies_due -= 1
        if reply.code == 421:
            # The server closes the connection (RFC 5321, section 3.8).
            self._end(f"421 {reply.message}")
        return reply

    async def start_tls(self, tls: ssl.SSLContext, host: str) -> None:
        """Encrypt the connection. Raise SMTPException or OSError."""
        # More replies, in clear text, may be forged (RFC 3207, section 6).
        self._check_settled()
        loop = asyncio.get_running_loop()
        upgraded = await loop.start_tls(self.transport, self, tls, server_hostname=host)
        if upgraded is None:
            raise SMTPServerDisconnected("Connection lost")
        self.transport = upgraded

    def close(self) -> None:
        """Close the connection, without waiting for anything."""
        # The end of TLS waits for an answer too, which a dead connection never gives.
        close = self.transport.close if self.settled else self.transport.abort
        self._end("Connection lost")
        close()

    def _check_settled(self) -> None:
        if not self.settled:
            # A reply to nothing would be taken for that to the next command.
            raise SMTPServerDisconnected(self._ended or "the server sends a reply to no command")

    async def _next(self, within: float) -> SMTPResponse:
        """Wait for the next reply, and return it."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while self._ended is None:
            if loop.time() >= end:
                raise SMTPTimeoutError(f"no answer within {within:g} s")
            self._arrived = loop.create_future()
            timer = loop.call_at(end, self._wake)
            try:
                await self._arrived
            finally:
                timer.cancel()
            if reply := self._take():
                return reply
        raise SMTPServerDisconnected(self._ended)

    def _take(self) -> SMTPResponse | None:
        """Return the next reply once it is complete. Raise SMTPResponseException if malformed."""
        texts, end = [], 0
        while newline := self._received.find(b"\n", end) + 1:
            line, end = bytes(self._received[end:newline]), newline
            if not line[:3].isdigit():
                malformed = line.decode("utf-8", "ignore")
                raise SMTPResponseException(_NO_CODE, f"Malformed SMTP response line: {malformed}")
            texts.append(line[4:].strip(b" \t\r\n"))
            if line[3:4] != b"-":
                del self._received[:end]
                text = b"\n".join(texts).decode("utf-8", "surrogateescape")
                return SMTPResponse(int(line[:3]), text)
        return None

    def _end(self, reason: str) -> None:
        self._ended = self._ended or reason
        self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
