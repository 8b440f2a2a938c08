"""A connection to a stranger: no protocol switch, and every state ends in time."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from flashnotify.cli.connection_limits import ConnectionLimits
from flashnotify.cli.http_protocol import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_PIECES,
    MAX_PIPELINED,
    MAX_URL_BYTES,
    TIMEOUTS,
    WRITE_TIMEOUT,
    BoundedHttp,
    State,
)
from tests.support.wire import Wire

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


class App:
    """Reads each request to its end, if `reads`; then answers once `open` is set."""

    def __init__(self, *, reads: bool = True) -> None:
        self.reads = reads
        self.open = asyncio.Event()
        self.open.set()
        self.requests: list[tuple[str, bytes]] = []
        self.disconnected = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", self.reads
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected = True
                return
            body += message["body"]
            more = message["more_body"]
        await self.open.wait()
        self.requests.append((f"{scope['method']} {scope['path']}", body))
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


class Connection:
    """A connection to an app, over a wire."""

    def __init__(self, app: App, limits: ConnectionLimits, address: str) -> None:
        self.wire = Wire(address)
        config = uvicorn.Config(app, log_config=None)
        self.protocol = BoundedHttp(config, ServerState(), {}, limits=limits)
        self.protocol.connection_made(self.wire)

    async def send(self, *pieces: bytes) -> None:
        """Receive each piece in a read of its own, and let the app do what it can."""
        for piece in pieces:
            self.protocol.data_received(piece)
            for _ in range(5):
                await asyncio.sleep(0)

    def sweep(self, later: float) -> None:
        """Sweep as the server does, so many seconds later."""
        self.protocol.sweep(self.protocol.loop.time() + later)

    def problem(self) -> Any:
        """Return the problem that is its last answer."""
        head, _, body = self.wire.written.rpartition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in head
        return json.loads(body)


Connect = Callable[..., Connection]


@pytest.fixture
async def connect() -> Connect:
    """Connects to an app; all connections share their limits."""
    limits = ConnectionLimits(8)
    return lambda app=None, address="192.0.2.1": Connection(app or App(), limits, address)


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 4\r\n\r\nbody",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("pieces", ["whole", "head, body", "bytes"])
@pytest.mark.parametrize("upgrade", [UPGRADE, UPGRADE.replace(b"h2c", b"websocket")])
async def test_no_protocol_is_switched(
    connect: Connect, rest: bytes, pieces: str, upgrade: bytes
) -> None:
    app = App()
    connection = connect(app)
    request = POST + upgrade + rest
    if pieces == "whole":
        await connection.send(request + GET)
    elif pieces == "head, body":
        head, end, body = request.partition(b"\r\n\r\n")
        await connection.send(head + end, body, GET)
    else:
        await connection.send(*(bytes([byte]) for byte in request + GET))
    assert app.requests == [("POST /", b"body"), ("GET /", b"")]
    assert connection.wire.statuses == [200, 200]


async def test_a_request_inside_a_body_is_not_run(connect: Connect) -> None:
    app = App()
    connection = connect(app)
    hidden = b"POST /hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    await connection.send(POST + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(hidden), hidden)
    assert app.requests == [("POST /", hidden)]


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed_request"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed_request"),
        (GET[:-2] + b"hOsT: y\r\n\r\n", 400, "malformed_request"),
        (b"GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n", 400, "malformed_request"),
        (b"nonsense\r\n\r\n", 400, "malformed_request"),
        (b"GET x:80 HTTP/1.1\r\n\r\n", 400, "malformed_request"),
        (b"GET /" + b"x" * MAX_URL_BYTES + b" HTTP/1.1\r\n\r\n", 414, "url_too_long"),
        (GET[:-2] + b"a: b\r\n" * MAX_FIELDS + b"\r\n", 431, "head_too_large"),
        (GET[:-2] + (b"a: " + b"b" * MAX_HEAD_BYTES + b"\r\n\r\n"), 431, "head_too_large"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n", 400, "malformed_request"),
        (
            POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * (MAX_PIECES + 1),
            400,
            "malformed_request",
        ),
    ],
)
async def test_what_is_not_http_is_refused_with_a_problem(
    connect: Connect, sent: bytes, status: int, code: str
) -> None:
    app = App()
    connection = connect(app)
    await connection.send(sent)
    assert connection.wire.statuses == [status]
    assert connection.wire.is_closing()
    problem = connection.problem()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"]
    assert app.requests == []
    await connection.send(GET)
    assert app.requests == []


async def test_what_follows_a_refusal_waits_for_earlier_answers(connect: Connect) -> None:
    app = App()
    app.open.clear()
    connection = connect(app)
    await connection.send(GET + GET + b"nonsense\r\n\r\n", GET)
    assert connection.wire.statuses == []
    app.open.set()
    await connection.send()
    await connection.send(b"")
    assert connection.wire.statuses == [200, 200, 400]
    assert connection.wire.is_closing()


async def test_a_body_that_breaks_off_ends_its_request(connect: Connect) -> None:
    app = App()
    await connect(app).send(POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", b"x\r\n")
    assert app.disconnected


async def test_trailers_are_no_headers(connect: Connect) -> None:
    app = App()
    connection = connect(app)
    end = b"0\r\nAuthorization: secret\r\n\r\n"
    await connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n", end)
    assert connection.wire.statuses == [200]
    assert b"authorization" not in dict(connection.protocol.scope["headers"])


async def test_pipelined_requests_are_bounded(connect: Connect) -> None:
    app = App()
    app.open.clear()
    connection = connect(app)
    await connection.send(GET * 1000)
    assert len(connection.protocol.pipeline) == MAX_PIPELINED
    app.open.set()
    for _ in range(MAX_PIPELINED + 1):
        await connection.send(b"")
    assert connection.wire.statuses == [200] * (MAX_PIPELINED + 1)
    assert connection.wire.is_closing()


@pytest.mark.parametrize(
    ("sent", "state", "last"),
    [
        ([], State.head, 408),
        ([b"GET /"], State.head, 408),
        ([GET], State.idle, 200),
        ([GET, b"\r\n"], State.idle, 200),
        ([GET, b"G"], State.head, 408),
        ([GET, POST + b"Content-Length: 5\r\n\r\nx"], State.surplus, 200),
        ([POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nx"], State.surplus, 200),
    ],
)
async def test_each_state_ends(
    connect: Connect, sent: list[bytes], state: State, last: int
) -> None:
    connection = connect(App(reads=False))
    await connection.send(*sent)
    connection.sweep(TIMEOUTS[state] - 1)
    assert not connection.wire.is_closing()
    connection.sweep(TIMEOUTS[state])
    assert connection.wire.is_closing()
    assert connection.wire.statuses[-1] == last
    if last == 408:
        assert connection.problem()["code"] == "request_timeout"


async def test_a_body_has_a_deadline_and_an_answer_to_an_earlier_request_has_none(
    connect: Connect,
) -> None:
    app = App()
    connection = connect(app)
    await connection.send(POST + b"Content-Length: 5\r\n\r\nx")
    connection.sweep(TIMEOUTS[State.body] - 1)
    assert not connection.wire.is_closing()
    connection.sweep(TIMEOUTS[State.body])
    assert (connection.wire.statuses, connection.wire.is_closing()) == ([408], True)
    assert connection.problem()["detail"] == "The body did not arrive within 60 s. Send it again."

    app.open.clear()
    connection = connect(app)
    await connection.send(GET + POST + b"Content-Length: 5\r\n\r\nx")
    connection.sweep(TIMEOUTS[State.body])
    assert not connection.wire.is_closing()


@pytest.mark.parametrize("drop", [b"\r\n", b"x"])
async def test_no_state_is_prolonged_by_a_trickle(connect: Connect, drop: bytes) -> None:
    connection = connect(App(reads=False))
    head = POST + b"Content-Length: 1000\r\n\r\n" if drop == b"x" else GET
    await connection.send(head)
    deadline = connection.protocol.loop.time() + TIMEOUTS[State.idle]
    await connection.send(drop, drop, drop)
    connection.protocol.sweep(deadline + 0.1)
    assert connection.wire.is_closing()


async def test_the_application_takes_its_time(connect: Connect) -> None:
    app = App()
    app.open.clear()
    connection = connect(app)
    await connection.send(GET)
    connection.sweep(1e6)
    assert not connection.wire.is_closing()


async def test_a_client_that_does_not_read_is_cut_off(connect: Connect) -> None:
    connection = connect()
    await connection.send(GET)
    connection.wire.stuck = 200_000
    connection.protocol.pause_writing()
    connection.sweep(0)
    connection.wire.stuck = 100_000
    connection.sweep(4)
    connection.sweep(4 + WRITE_TIMEOUT - 1)
    assert not connection.wire.aborted
    connection.sweep(4 + WRITE_TIMEOUT)
    assert connection.wire.aborted


async def test_the_end_of_an_answer_is_waited_for_no_longer(connect: Connect) -> None:
    connection = connect()
    connection.wire.stuck = 100
    await connection.send(GET.replace(b"Host", b"Connection: close\r\nHost"))
    assert connection.wire.is_closing()
    connection.sweep(0)
    connection.sweep(WRITE_TIMEOUT - 1)
    assert not connection.wire.aborted
    connection.sweep(WRITE_TIMEOUT)
    assert connection.wire.aborted


async def test_connections_are_bounded_by_address_and_in_all(connect: Connect) -> None:
    first = [connect() for _ in range(3)]
    assert [each.wire.statuses for each in first] == [[], [], [503]]
    assert first[2].problem()["code"] == "too_many_connections_of_one"
    others = [connect(address=f"192.0.2.{number}") for number in range(10, 16)]
    assert others[-1].problem()["code"] == "too_many_connections"
    assert b"\r\nretry-after: 1\r\n" in others[-1].wire.written
    for each in (*first, *others):
        each.protocol.connection_lost(None)
    assert connect().wire.statuses == []


async def test_http_1_0_needs_no_host(connect: Connect) -> None:
    connection = connect()
    await connection.send(b"GET / HTTP/1.0\r\n\r\n")
    assert connection.wire.statuses == [200]
