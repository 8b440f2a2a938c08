"""A canary: the undocumented parts of uvicorn that `serve` relies on are as they were."""

import asyncio
import inspect
import socket
from importlib.metadata import version
from typing import Any

import pytest
import uvicorn
from structlog.testing import capture_logs
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from flashnotify.cli.connection_limits import ConnectionLimits
from flashnotify.cli.http_protocol import MAX_HEAD_BYTES, TIMEOUTS, BoundedHttp, State
from flashnotify.cli.uvicorn_server import Server
from tests.support.wire import Wire

VERIFIED_WITH = "0.54.0"


def changed(part: str) -> str:
    """Explain what to do about a changed part."""
    return (
        "cli/http_protocol.py and cli/uvicorn_server.py were verified with uvicorn "
        f"{VERIFIED_WITH}; in uvicorn {version('uvicorn')}, {part} is different. Read "
        "docs/adr/0008, adapt the files to the installed version, and put that into VERIFIED_WITH."
    )


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def protocol(wire: Wire) -> BoundedHttp:
    """A connection that has just been made."""
    config, limits = uvicorn.Config(app, log_config=None), ConnectionLimits(10)
    made = BoundedHttp(config, ServerState(), {}, limits=limits)
    made.connection_made(wire)
    return made


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, member in vars(BoundedHttp).items()
        if name[0] != "_" and name != "sweep" and callable(member)
    ],
)
def test_each_method_that_is_overridden_is_uvicorns(name: str) -> None:
    ours, theirs = getattr(BoundedHttp, name), getattr(HttpToolsProtocol, name, None)
    assert theirs is not None, changed(name)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), (
        changed(name)
    )


async def test_a_connection_has_a_loop_a_transport_and_a_cycle(
    protocol: BoundedHttp, wire: Wire
) -> None:
    assert protocol.loop is asyncio.get_running_loop(), changed("HttpToolsProtocol.loop")
    assert protocol.transport is wire, changed("HttpToolsProtocol.transport")
    assert getattr(protocol, "cycle", ...) is None, changed(
        "HttpToolsProtocol.cycle before a request"
    )
    protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    cycle = protocol.cycle
    assert isinstance(cycle, RequestResponseCycle), changed("HttpToolsProtocol.cycle")
    assert getattr(cycle, "response_complete", None) is False, changed(
        "RequestResponseCycle.response_complete"
    )
    await asyncio.gather(*protocol.tasks)
    assert cycle.response_complete, changed("RequestResponseCycle.response_complete")
    assert wire.written.startswith(b"HTTP/1.1 204 ")
    protocol.connection_lost(None)


async def test_the_parser_calls_back_at_each_step(
    protocol: BoundedHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def spy(name: str) -> None:
        theirs = getattr(HttpToolsProtocol, name)

        def called(self: HttpToolsProtocol, *arguments: Any) -> None:
            calls.append(name)
            theirs(self, *arguments)

        monkeypatch.setattr(HttpToolsProtocol, name, called)

    steps = ["on_message_begin", "on_headers_complete", "on_body", "on_message_complete"]
    for step in steps:
        spy(step)
    for piece in (b"PO", b"ST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", b"x", b"y"):
        protocol.data_received(piece)
        calls.append("|")
    assert " ".join(calls) == (
        "on_message_begin | on_headers_complete | on_body | on_body on_message_complete |"
    ), changed("the order of the parser's callbacks")
    await asyncio.gather(*protocol.tasks)
    protocol.connection_lost(None)


async def test_a_head_without_end_is_refused(protocol: BoundedHttp, wire: Wire) -> None:
    protocol.data_received(b"GET / HTTP/1.1\r\n")
    protocol.data_received(b"a: " + b"b" * MAX_HEAD_BYTES)
    assert wire.written.startswith(b"HTTP/1.1 431 "), changed("the way data is received")
    assert wire.closed
    protocol.connection_lost(None)


async def test_a_server_asks_capture_signals_before_it_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[uvicorn.Server] = []
    ours = Server.capture_signals

    def capture_signals(self: Server) -> Any:
        asked.append(self)
        return ours(self)

    monkeypatch.setattr(Server, "capture_signals", capture_signals)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(app, [listener], ConnectionLimits(10))
        await server.stop(1)
    assert asked == [server], changed("Server.capture_signals")


async def test_a_server_sweeps_its_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TIMEOUTS, State.head, 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(app, [listener], ConnectionLimits(10))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        assert (await reader.read()).startswith(b"HTTP/1.1 408 "), changed("Server.on_tick")
        writer.close()
        await server.stop(1)


async def test_what_was_refused_in_the_last_minute_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, capture_logs() as logs:
        server = Server(app, [listener], ConnectionLimits(0))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        writer.close()
        await server.stop(1)
    assert [(entry["event"], entry["too_many_connections"]) for entry in logs] == [
        ("http.refused", 1)
    ]
