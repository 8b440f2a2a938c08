"""One HTTP/1.1 connection, which reads answers leniently and within bounds.

The status line says what became of the message. Nothing that is read after it can undo it: a
broken header or body only ends the reading.
"""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

# Bytes kept of a body: enough for a provider's words, too few to fill the memory.
MAX_BODY = 64 * 1024
# Bytes read of an answer in all, and lines of its headers and chunks.
_MAX_ANSWER = 2 * MAX_BODY
_MAX_LINES = 500
_MAX_INTERIM_ANSWERS = 20

_STATUS_LINE = re.compile(rb"HTTP/(\d(?:\.\d)?) +(\d{3})(?!\d)")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"\s*([0-9A-Fa-f]{1,15})\s*(?:;.*)?", re.DOTALL)


class NoAnswer(OSError):
    """No answer came; the text says why, for people, without the URL."""


class _Ended(Exception):
    """Nothing more can be read of this answer."""


@dataclass(slots=True)
class Answer:
    """A final answer; `complete` if its end was found where its headers say."""

    version: bytes
    status_code: int
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    def header(self, name: bytes) -> bytes:
        """Return the last value of a header, whose name is given in lower case, or b""."""
        values = [value for known, value in self.headers if known.lower() == name]
        return values[-1] if values else b""

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8", "replace")


class Connection(asyncio.Protocol):
    """Writes a request, then reads its answer. What a server sends unasked closes it."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._news = asyncio.Event()
        self._ended = False
        # Bytes and lines that may still come; none between two requests.
        self._bytes_left = self._lines_left = 0

    @property
    def usable(self) -> bool:
        """Whether a request may be written."""
        return not self._ended and not self._received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep what is within the bounds."""
        self._received += data[: max(self._bytes_left, 0)]
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self.abort()
        self._news.set()

    def eof_received(self) -> None:
        """Close the connection too."""
        self._end()

    def connection_lost(self, error: Exception | None) -> None:
        """End the reading."""
        self._end()

    def abort(self) -> None:
        """Close the connection at once."""
        self._end()
        self._transport.abort()

    async def ask(self, request: bytes) -> Answer:
        """Write a request and return the status of its answer (RFC 9112, section 4).

        Raises:
            NoAnswer: none came, or something other than HTTP.
        """
        self._bytes_left, self._lines_left = _MAX_ANSWER, _MAX_LINES
        self._transport.write(request)
        try:
            for _ in range(_MAX_INTERIM_ANSWERS + 1):
                answer = _status(await self._status_line())
                if answer.status_code >= 200:
                    return answer
                while await self._line():
                    pass
        except _Ended:
            raise NoAnswer("the server closed the connection without an answer") from None
        raise NoAnswer("the server keeps sending interim answers (1xx)")

    async def read_rest(self, answer: Answer, *, head_only: bool) -> None:
        """Add the headers and up to 64 KiB of the body, as far as they can be read."""
        with suppress(_Ended):
            while line := await self._line():
                name, colon, value = line.partition(b":")
                if colon:
                    answer.headers.append((name.strip(), value.strip()))
            if not head_only and answer.status_code not in (204, 304):
                await self._read_body(answer)
            self._bytes_left = 0
            kept = answer.version == b"1.1" and b"close" not in answer.header(b"connection").lower()
            answer.complete = kept and self.usable

    async def _read_body(self, answer: Answer) -> None:
        """Read the body (RFC 9112, section 6.3); raise _Ended where it has no proper end."""
        if b"chunked" in answer.header(b"transfer-encoding").lower():
            while size := _chunk_size(await self._line()):
                await self._read(size, answer.body)
                await self._line()
            while await self._line():
                pass
        elif _LENGTH.fullmatch(length := answer.header(b"content-length")):
            await self._read(int(length), answer.body)
        else:
            await self._read(MAX_BODY + 1, answer.body)

    async def _read(self, size: int, body: bytearray) -> None:
        while size:
            if not self._received:
                await self._more()
            piece = self._received[: min(size, MAX_BODY - len(body))]
            if not piece:
                raise _Ended  # the body is longer than what we keep
            del self._received[: len(piece)]
            body += piece
            size -= len(piece)

    async def _status_line(self) -> bytes:
        while not (line := await self._line()):
            pass
        return line

    async def _line(self) -> bytes:
        """Return the next line without its end, or what there is of it at the end of the data."""
        self._lines_left -= 1
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = end = len(self._received)
            try:
                await self._more()
            except _Ended:
                if end:
                    break
                raise
        if self._lines_left < 0:
            raise _Ended
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line.rstrip(b"\r")

    async def _more(self) -> None:
        """Wait for data."""
        if self._ended:
            raise _Ended
        self._news.clear()
        await self._news.wait()

    def _end(self) -> None:
        self._ended = True
        self._news.set()


def _status(line: bytes) -> Answer:
    found = _STATUS_LINE.match(line)
    if found is None:
        raise NoAnswer("the answer is not HTTP")
    return Answer(found[1], int(found[2]))


def _chunk_size(line: bytes) -> int:
    """Return the size of a chunk (RFC 9112, section 7.1), whose extensions we ignore."""
    found = _CHUNK_SIZE.fullmatch(line)
    if found is None:
        raise _Ended
    return int(found[1], 16)
