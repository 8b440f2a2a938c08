"""An HTTP server (aiohttp) in the test's own loop, whose answers a test scripts."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from multidict import CIMultiDictProxy, MultiMapping

from tests.support import listener
from tests.support.listener import Listener, Misbehaviour


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int = 200
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)


HANG, DROP = listener.HANG, listener.DROP
HANG_HALF = Misbehaviour("never finish the answer")
DROP_HALF = Misbehaviour("drop the connection in the middle of the answer")
GARBAGE = Misbehaviour("answer with something other than HTTP")
ENDLESS = Misbehaviour("answer without end")

Answer = Reply | Misbehaviour


@dataclass(frozen=True, slots=True)
class Received:
    """A request."""

    method: str
    path: str
    query: MultiMapping[str]
    headers: CIMultiDictProxy[str]
    body: bytes


class HttpServer(Listener):
    """Keeps each request in `requests`.

    It answers with `usual`, or with what that coroutine function returns, unless a test asks for
    another answer by `next`. With `tls` it speaks HTTPS.
    """

    def __init__(
        self,
        usual: Reply | Callable[[Received], Awaitable[Reply]] = Reply(),
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls)
        self.usual = usual
        self.requests: list[Received] = []
        self._answers: deque[Answer] = deque()
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
        """The number of open connections."""
        return len(self._web.connections) if self._web is not None else 0

    def next(self, *answers: Answer) -> None:
        """Give `answers`, one each, to the next requests."""
        self._answers.extend(answers)

    def _protocol(self) -> asyncio.Protocol:
        if self._web is None:
            self._web = web.Server(self._handle, handler_cancellation=True, access_log=None)
        return self._web()

    async def _drop_all(self) -> None:
        if self._web is not None:
            for connection in list(self._web.connections):
                if connection.transport is not None:
                    connection.transport.abort()
            await self._web.shutdown()
            self._web = None

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
