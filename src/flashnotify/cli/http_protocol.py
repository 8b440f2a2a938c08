"""HTTP/1.1 with strangers: every state of a connection ends in time, everything is counted.

uvicorn parses without limits and lets its parser switch protocols, so this protocol overrides most
of its callbacks. Two things are deliberate:

- A connection has one explicit state and one deadline for it (`_STATES`), which `sweep` enforces
  every second. Timers that each callback starts and cancels are what leaves states without any.
- The parser ends a request at `Upgrade` or `CONNECT` and leaves its body on the wire, where it
  would be the next request. A server may ignore an upgrade (RFC 9110, section 7.8): the head is
  parsed again without that header, and the body is read as the head declares it.
"""

import asyncio
import json
import math
from enum import Enum
from typing import Any, cast
from uuid import uuid4

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from flashnotify.api.problems import MEDIA_TYPE, problem
from flashnotify.cli.connection_limits import ConnectionLimits
from flashnotify.cli.response_writer import ResponseWriter
from flashnotify.errors import (
    FlashNotifyError,
    HeadTooLarge,
    MalformedRequest,
    RequestTimeout,
    Unavailable,
    UrlTooLong,
)

# Limits on a head: bytes of its URL, its fields, bytes in all.
MAX_URL_BYTES = 16 * 1024
MAX_FIELDS = 100
MAX_HEAD_BYTES = 64 * 1024
# Requests that wait for the answer to an earlier one (RFC 9112, section 9.3.2).
MAX_PIPELINED = 8
# Pieces of bodies in one read: parsing more of them would hold the event loop over 10 ms.
MAX_PIECES = 8000
# Seconds in which a client that is sent something takes at least so many bytes.
WRITE_TIMEOUT = 30.0
_WRITE_PROGRESS = 64 * 1024


class State(Enum):
    """What a connection waits for, and for how many seconds."""

    idle = "another request"
    head = "the rest of a head"
    body = "the rest of a body"
    surplus = "the rest of a request that has been answered"
    # An event stream has no end.
    working = "the application"
    # `_watch_writing` limits it.
    closing = "the client to take the rest of an answer"


TIMEOUTS = {
    State.idle: 5.0,
    State.head: 30.0,
    State.body: 60.0,
    State.surplus: 5.0,
    State.working: math.inf,
    State.closing: math.inf,
}


# What a client was too slow to send.
_LATE = {State.head: "The head of the request", State.body: "The body"}


class Refusal(Exception):  # not an error of ours
    """Ends parsing, from within a callback of the parser."""

    def __init__(self, error: FlashNotifyError | None) -> None:
        super().__init__()
        self.error = error


class BoundedHttp(HttpToolsProtocol):
    """One connection. `limits` counts all of its server."""

    def __init__(self, *args: Any, limits: ConnectionLimits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        # Where the parser is: between requests, in a head or in a body.
        self._reading = State.head
        self._state: State | None = None
        self._deadline = math.inf
        self._write_deadline = math.inf
        self._unsent: int | None = None
        self._unproductive = self._head_bytes = self._pieces = 0
        # Set once nothing more is read: what to send after the answers that are due, if anything.
        self._last_words: bytes | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first head, or refuse the connection."""
        super().connection_made(transport)
        error = self._limits.add(self.client[0] if self.client else None)
        self._update()
        if error is not None:
            self._refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection no longer."""
        self._limits.remove(self.client[0] if self.client else None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a part of a request, or of several."""
        if self._last_words is not None:
            return
        self._pieces = 0
        self._unproductive += len(data)
        try:
            self._parse(data)
            if self._unproductive > MAX_HEAD_BYTES:
                self._refuse(_head_too_large())
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.error if isinstance(cause, Refusal) else _malformed())

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self.parser = httptools.HttpRequestParser(self)
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        fields = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        method, version = self.scope["method"], self.scope["http_version"]
        line = b"%s %s HTTP/%s" % (method.encode(), self.url, version.encode())
        return b"\r\n".join([line, *fields, b"", b""])

    def on_message_begin(self) -> None:
        """Wait for the rest of a head."""
        super().on_message_begin()
        self._head_bytes = 0
        self._reading = State.head
        self._update()

    def on_url(self, url: bytes) -> None:
        """Take a part of the URL."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            raise Refusal(UrlTooLong(f"The URL is longer than {MAX_URL_BYTES} bytes."))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; trailers are ignored (RFC 9112, section 7.1.2)."""
        if self._reading is not State.head:
            return
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)
        if len(self.headers) > MAX_FIELDS or self._head_bytes > MAX_HEAD_BYTES:
            raise Refusal(_head_too_large())

    def on_headers_complete(self) -> None:
        """Hand the request to the application, unless its head has to be parsed again."""
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = self.parser.get_http_version()
        if self.scope["method"] == "CONNECT":
            raise Refusal(MalformedRequest("This is not a proxy: CONNECT is not supported."))
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.scope["http_version"] == "1.1"):
            detail = "An HTTP/1.1 request has exactly one Host field (RFC 9112, section 3.2)."
            raise Refusal(MalformedRequest(detail))
        if self.parser.should_upgrade():
            return
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Refusal(None)
        self._unproductive = 0
        self._reading = State.surplus
        super().on_headers_complete()
        # It needs no other methods of a transport.
        self.cycle.transport = cast(asyncio.Transport, ResponseWriter(self.transport, self.loop))
        self._update()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._unproductive = 0
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            raise Refusal(MalformedRequest("The chunks of the body are too small."))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for another request."""
        if self.parser.should_upgrade():
            return
        self._unproductive = 0
        self._reading = State.idle
        super().on_message_complete()
        self._update()

    def on_response_complete(self) -> None:
        """Answer the next request, or close if nothing more is read."""
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            elif self._last_words is not None:
                # After the head of the answer, if that is all there is of it.
                self.cycle.transport.write(self._last_words)
                self.cycle.transport.close()
        self._update()

    def resume_writing(self) -> None:
        """Write on: the client has taken what was waiting."""
        super().resume_writing()
        self._unsent = None

    def sweep(self, now: float) -> None:
        """Close the connection if its state has lasted too long; `now` is the time of the loop."""
        self._update()
        self._watch_writing(now)
        if now < self._deadline:
            return
        if self._state in _LATE:
            late, limit = _LATE[self._state], f"{TIMEOUTS[self._state]:g} s"
            self._refuse(RequestTimeout(f"{late} did not arrive within {limit}. Send it again."))
        else:
            self.transport.close()

    def _update(self) -> None:
        """Enter the state that the connection is in."""
        state = self._reading
        cycle: RequestResponseCycle | None = self.cycle
        if self.transport.is_closing():
            state = State.closing
        elif cycle is not None and not cycle.response_complete:
            # A request that waits for the answer to an earlier one is not read on.
            state = State.body if cycle.more_body and not self.pipeline else State.working
        if state is not self._state:
            self._state = state
            self._deadline = self.loop.time() + TIMEOUTS[state]

    def _watch_writing(self, now: float) -> None:
        """Abort a connection whose client does not take what it is sent."""
        if not self.flow.write_paused and self._state is not State.closing:
            self._unsent = None
            return
        unsent = self.transport.get_write_buffer_size()
        if self._unsent is None or unsent <= self._unsent - _WRITE_PROGRESS:
            self._unsent = unsent
            self._write_deadline = now + WRITE_TIMEOUT
        elif now >= self._write_deadline:
            self.transport.abort()

    def _refuse(self, error: FlashNotifyError | None) -> None:
        """Read nothing more, and close after the answers that are due."""
        self._limits.refused[error.code if error is not None else "too_many_pipelined"] += 1
        self._last_words = _response(error) if error is not None else b""
        unanswered = self._state in (State.working, State.body)
        if unanswered and self._reading is not State.surplus:
            return
        if self._state is State.surplus:
            self._last_words = b""
        elif unanswered:
            # The request itself is broken: its application must not wait for the rest of it.
            if self.pipeline or self.cycle.response_started:
                self._last_words = b""
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(self._last_words)
        self.transport.close()
        self._update()


def _head_too_large() -> FlashNotifyError:
    return HeadTooLarge(
        f"The head of the request has more than {MAX_FIELDS} fields or {MAX_HEAD_BYTES} bytes."
    )


def _malformed() -> FlashNotifyError:
    return MalformedRequest("The request is not valid HTTP/1.1 (RFC 9112).")


def _response(error: FlashNotifyError) -> bytes:
    """Return a response for a request that does not reach the application."""
    request_id = uuid4().hex
    content = problem(error)
    body = json.dumps(content | {"request_id": request_id}).encode()
    retry = f"retry-after: {error.retry_after}\r\n" if isinstance(error, Unavailable) else ""
    head = (
        f"HTTP/1.1 {content['status']} {content['title']}\r\n"
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        f"x-request-id: {request_id}\r\n{retry}connection: close\r\n\r\n"
    )
    return head.encode() + body
