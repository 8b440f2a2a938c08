"""uvicorn as `serve` needs it: bounded HTTP/1.1, and no signal handlers.

All code that relies on undocumented parts of uvicorn is here (docs/adr/0008).
`tests/unit/cli/test_uvicorn_server.py` fails if an upgrade changes one of them.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Limit on received bytes that complete neither a head nor a piece of a body: headers, trailers.
MAX_UNPRODUCTIVE_BYTES = 64 * 1024
# Seconds for a request's head, from the connection or from the request's first byte.
HEAD_TIMEOUT = 30.0

_TOO_LARGE = b"431 Request Header Fields Too Large"
_TOO_SLOW = b"408 Request Timeout"


class Server(uvicorn.Server):
    """A uvicorn server on an open socket; our own code handles signals and orders the shutdown."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            http=BoundedHttp,
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            ws="none",
        )
        super().__init__(config)
        self.task = asyncio.create_task(self.serve([listener]), name="server")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield

    async def stop(self, within: float) -> None:
        """Stop accepting connections; abort requests that still run after `within` seconds."""
        self.config.timeout_graceful_shutdown = max(1, round(within))
        self.should_exit = True
        await self.task


class BoundedHttp(HttpToolsProtocol):
    """Closes connections whose request head does not end.

    uvicorn and its parser have no limits: endless headers would fill the memory, and connections
    with incomplete heads would use up the open files. Bodies are limited where they are read.
    """

    _unproductive = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the head of the first request."""
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._head_completed()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and count bytes that completed nothing."""
        self._unproductive += len(data)
        super().data_received(data)
        if self._unproductive > MAX_UNPRODUCTIVE_BYTES:
            self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Wait for the head of another request."""
        super().on_message_begin()
        if self._head_timer is None:
            self._start_head_timer()

    def on_headers_complete(self) -> None:
        """Stop waiting for the head."""
        self._head_completed()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count from zero after a piece of a body."""
        self._unproductive = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Count from zero after a request."""
        self._unproductive = 0
        super().on_message_complete()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self._refuse, _TOO_SLOW)

    def _head_completed(self) -> None:
        self._unproductive = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: bytes) -> None:
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            head = b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(head)
        self.transport.close()
