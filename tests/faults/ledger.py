"""A fast SMTP server that accepts and records every message in order."""

import asyncio
import re
from typing import Self

_MESSAGE_ID = re.compile(rb"^Message-ID: <([0-9a-f-]{36})@", re.MULTILINE)


class MailLedger:
    """`taken` holds the delivery id and the recipient of each message, in order of arrival.

    A message is recorded before the client gets its answer. While the server `hangs`, it does not
    answer RCPT for addresses that begin with "hang", and puts them into `hung`. It records messages
    to addresses that begin with "slow" but answers only after `release`. While `silent`, it answers
    nothing.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.hangs = False
        self.hung: asyncio.Queue[str] = asyncio.Queue()
        self.release = asyncio.Event()
        self.silent = False
        self.url = ""
        self._more = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._sessions: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._sessions.values():
            writer.transport.abort()
        await self.quiet()
        await self._server.wait_closed()

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._sessions)

    async def until_taken(self, number: int) -> None:
        """Wait until it has recorded `number` messages in all."""
        async with self._more:
            await self._more.wait_for(lambda: len(self.taken) >= number)

    async def quiet(self) -> None:
        """Wait until no connection is open and every message is recorded."""
        while self._sessions:
            await asyncio.wait(self._sessions.keys())

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        assert session is not None
        self._sessions[session] = writer
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client was killed
        finally:
            del self._sessions[session]
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ledger\r\n")
        recipient = ""
        while line := await reader.readline():
            if self.silent:
                await reader.read()
                return
            match line[:4].upper():
                case b"EHLO":
                    writer.write(b"250 ledger\r\n")
                case b"RCPT":
                    recipient = line[line.index(b"<") + 1 : line.index(b">")].decode()
                    if self.hangs and recipient.startswith("hang"):
                        self.hung.put_nowait(recipient)
                        await reader.read()
                        return
                    writer.write(b"250 ok\r\n")
                case b"DATA":
                    writer.write(b"354 go on\r\n")
                    content = await reader.readuntil(b"\r\n.\r\n")
                    await self._take(content, recipient)
                    if recipient.startswith("slow"):
                        await self.release.wait()
                    writer.write(b"250 ok\r\n")
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    return
                case _:
                    writer.write(b"250 ok\r\n")

    async def _take(self, content: bytes, recipient: str) -> None:
        found = _MESSAGE_ID.search(content)
        assert found is not None
        self.taken.append((found[1].decode(), recipient))
        async with self._more:
            self._more.notify_all()
