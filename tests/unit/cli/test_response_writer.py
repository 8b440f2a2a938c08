"""A response leaves in one system call, and its head never waits for the body."""

import asyncio

import pytest

from flashnotify.cli.response_writer import ResponseWriter
from tests.support.wire import Wire


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def response(wire: Wire) -> ResponseWriter:
    return ResponseWriter(wire, asyncio.get_running_loop())


async def test_the_head_goes_with_the_body(wire: Wire, response: ResponseWriter) -> None:
    response.write(b"head ")
    response.write(b"body")
    await asyncio.sleep(0)
    assert (wire.written, wire.writes) == (b"head body", 1)


async def test_the_head_does_not_wait(wire: Wire, response: ResponseWriter) -> None:
    response.write(b"head ")
    await asyncio.sleep(0)
    assert wire.written == b"head "
    response.write(b"event ")
    response.write(b"event")
    assert (wire.written, wire.writes) == (b"head event event", 3)


async def test_a_head_alone_is_sent_before_the_connection_closes(
    wire: Wire, response: ResponseWriter
) -> None:
    response.write(b"head")
    response.close()
    await asyncio.sleep(0)
    assert (wire.written, wire.writes, wire.is_closing()) == (b"head", 1, True)


async def test_nothing_is_sent_on_a_closed_connection(wire: Wire, response: ResponseWriter) -> None:
    response.write(b"head")
    wire.close()
    await asyncio.sleep(0)
    assert wire.writes == 0
