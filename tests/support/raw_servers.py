"""Servers on plain sockets that record every byte a client sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class SmtpSession:
    """One connection: its command lines, and each message between DATA and its final dot.

    Both without their last CRLF; messages are dot-stuffed, as they came.
    """

    commands: list[bytes] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class HttpRequest:
    """One request: its first line, its header lines and its body."""

    line: bytes
    headers: list[bytes]
    body: bytes


@dataclass(slots=True)
class Listening:
    """The port of a server, and the data received so far by connection."""

    port: int
    smtp: list[SmtpSession]
    http: list[HttpRequest]

    @property
    def commands(self) -> list[bytes]:
        """The SMTP commands of all sessions."""
        return [command for session in self.smtp for command in session.commands]

    @property
    def messages(self) -> list[bytes]:
        """The messages of all sessions, dot-stuffed as they came."""
        return [message for session in self.smtp for message in session.messages]


def unstuffed(message: bytes) -> bytes:
    """Return the message that a receiver keeps (RFC 5321, section 4.5.2), with its last CRLF."""
    lines = message.split(b"\r\n")
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)


@asynccontextmanager
async def raw_smtp() -> AsyncIterator[Listening]:
    """Accept all mail. Only CRLF ends a line, and only CRLF, dot, CRLF a message."""
    found: list[SmtpSession] = []

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.append(kept := SmtpSession())
        writer.write(b"220 raw.test\r\n")
        while line := await reader.readuntil(b"\r\n"):
            kept.commands.append(line[:-2])
            command = line[:4].upper()
            if command == b"DATA":
                writer.write(b"354 go on\r\n")
                message = await reader.readuntil(b"\r\n.\r\n")
                kept.messages.append(message[:-5])
            if command == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            writer.write(b"250 fine\r\n")

    async with listening(session) as port:
        yield Listening(port, found, [])


@asynccontextmanager
async def raw_http(answer: bytes) -> AsyncIterator[Listening]:
    """Answer every request with 200 and the JSON document `answer`."""
    found: list[HttpRequest] = []
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}"

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            line, *headers = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
            lengths = [h[16:] for h in headers if h.lower().startswith(b"content-length: ")]
            body = await reader.readexactly(int(lengths[0])) if lengths else b""
            found.append(HttpRequest(line, headers, body))
            writer.write(head.encode() + b"\r\n\r\n" + answer)

    async with listening(connection) as port:
        yield Listening(port, [], found)


@asynccontextmanager
async def listening(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Run `talk` on each connection until the end of the block; yield the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
