"""HTTP/1.1 for `serve`: uvicorn's, with bounds on what comes before and between bodies.

Neither uvicorn nor its parser has any: endless headers would fill the memory, and connections that
never finish a head would use up the files that a process may open. Bodies are bounded where they
are read.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Bytes that may come without completing a head or bringing a body forward: headers, trailers.
MOST_BYTES = 64 * 1024
# Seconds from the connection, or from its first byte, until the head of a request is there.
PATIENCE = 30.0

_TOO_LARGE = b"431 Request Header Fields Too Large"
_TOO_SLOW = b"408 Request Timeout"


class BoundedHttp(HttpToolsProtocol):
    """Breaks off connections whose requests have no end of a head."""

    _unproductive = 0
    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A connection: the head of its first request is waited for."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is waited for."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and count what led to nothing."""
        self._unproductive += len(data)
        super().data_received(data)
        if self._unproductive > MOST_BYTES:
            self._break_off(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        if self._head_due is None:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        """A head is there."""
        self._head_is_there()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of a body."""
        self._unproductive = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is there."""
        self._unproductive = 0
        super().on_message_complete()

    def _wait_for_head(self) -> None:
        self._head_due = self.loop.call_later(PATIENCE, self._break_off, _TOO_SLOW)

    def _head_is_there(self) -> None:
        self._unproductive = 0
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _break_off(self, status: bytes) -> None:
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            head = b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(head)
        self.transport.close()
