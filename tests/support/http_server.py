"""An HTTP server (aiohttp) in the test's own loop, which answers as a test tells it to."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web
from multidict import CIMultiDictProxy, MultiMapping


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int = 200
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What a server does instead of answering."""

    name: str


HANG = Misbehaviour("never answer")
HANG_HALF = Misbehaviour("never finish the answer")
DROP = Misbehaviour("drop the connection instead of answering")
DROP_HALF = Misbehaviour("drop the connection in the middle of the answer")
GARBAGE = Misbehaviour("answer in no HTTP at all")
ENDLESS = Misbehaviour("answer without end")

Answer = Reply | Misbehaviour


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    query: MultiMapping[str]
    headers: CIMultiDictProxy[str]
    body: bytes


class HttpServer:
    """Listens on a port of 127.0.0.1, and keeps each request in `requests`.

    `usual` is what a request gets unless a test says otherwise by `next`; a coroutine function is
    given the request. With `tls` it speaks HTTPS.
    """

    def __init__(
        self,
        usual: Reply | Callable[[Received], Awaitable[Reply]] = Reply(),
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.usual = usual
        self.tls = tls
        self.port = 0
        self.requests: list[Received] = []
        # Connections there have been.
        self.connections = 0
        self._answers: deque[Answer] = deque()
        self._server: asyncio.Server | None = None
        self._web: web.Server | None = None

    @property
    def host(self) -> str:
        """Host and port, as in a URL."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The URL of this server, without a path."""
        return f"{'https' if self.tls else 'http'}://{self.host}"

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._web.connections) if self._web is not None else 0

    def next(self, *answers: Answer) -> None:
        """Give `answers`, one each, to the next requests."""
        self._answers.extend(answers)

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._web = made = web.Server(self._handle, handler_cancellation=True, access_log=None)

        def connect() -> asyncio.Protocol:
            self.connections += 1
            return made()

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(connect, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Drop all connections and refuse new ones."""
        if self._server is None or self._web is None:
            return
        self._server.close()
        for connection in list(self._web.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await self._web.shutdown()
        await self._server.wait_closed()
        self._server = self._web = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        stack: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        received = Received(
            request.method, request.path, request.query, request.headers, await request.read()
        )
        self.requests.append(received)
        answer = self._answers.popleft() if self._answers else self.usual
        if isinstance(answer, Misbehaviour):
            return await _misbehave(answer, request)
        reply = answer if isinstance(answer, Reply) else await answer(received)
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        return web.Response(status=reply.status, body=body, headers=reply.headers)


async def _misbehave(how: Misbehaviour, request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    half = web.StreamResponse(headers={"Content-Length": "1000"})
    if how in (HANG_HALF, DROP_HALF):
        await half.prepare(request)
        await half.write(b"half an answer")
    if how in (HANG, HANG_HALF):
        # The end of the connection cancels this.
        await asyncio.get_running_loop().create_future()
    if how is ENDLESS:
        endless = web.StreamResponse()
        await endless.prepare(request)
        while True:
            await endless.write(b"and so on " * 1000)
    if how is GARBAGE:
        request.transport.write(b"\x16\x03 this is not HTTP\r\n\r\n")
        request.transport.close()
    elif how is DROP_HALF:
        # What was written goes out first.
        request.transport.close()
    else:
        request.transport.abort()
    return half
