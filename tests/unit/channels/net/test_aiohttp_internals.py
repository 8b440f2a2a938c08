"""Detects changes in the private parts of aiohttp that our HTTP client relies on."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler

from flashnotify.channels.net.aiohttp_internals import limit_interim_answers, never_repeat_requests
from flashnotify.channels.net.answers import TooManyInterimAnswers

VERIFIED_WITH = "3.14.5"
INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def changed(part: str) -> str:
    """Return what to do about a changed part."""
    return (
        f"channels/net/aiohttp_internals.py was verified with aiohttp {VERIFIED_WITH}; in aiohttp "
        f"{version('aiohttp')}, {part} is different. Read docs/adr/0008, adapt the file to the "
        "installed version, and put that into VERIFIED_WITH."
    )


class Server:
    """Answers the requests of all connections in turn, with bytes; None hangs up instead."""

    def __init__(self, *answers: bytes | None) -> None:
        self.requests = 0
        self._answers = iter(answers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Yield the server's URL."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as listening:
            yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                answer = next(self._answers)
                if answer is None:
                    return
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@pytest.fixture
async def connector() -> aiohttp.TCPConnector:
    made = aiohttp.TCPConnector(limit=1)
    limit_interim_answers(made)
    return made


async def test_connector_creates_connections_with_its_factory() -> None:
    connector = aiohttp.TCPConnector()
    assert hasattr(connector, "_factory"), changed("BaseConnector._factory")
    made = connector._factory()
    assert type(made) is ResponseHandler, changed("BaseConnector._factory")
    await connector.close()


async def test_session_can_disable_repeated_requests() -> None:
    async with aiohttp.ClientSession() as session:
        assert getattr(session, "_retry_connection", None) is True, changed(
            "ClientSession._retry_connection"
        )


def test_connection_reads_answers_one_by_one() -> None:
    read = getattr(ResponseHandler, "read", None)
    assert inspect.iscoroutinefunction(read), changed("ResponseHandler.read")
    assert list(inspect.signature(read).parameters) == ["self"], changed("ResponseHandler.read")


async def test_every_interim_answer_is_counted(connector: aiohttp.TCPConnector) -> None:
    server = Server(INTERIM * 20 + FINAL, INTERIM * 20 + FINAL, INTERIM * 21 + FINAL)
    async with server.running() as url, aiohttp.ClientSession(connector=connector) as session:
        for _ in range(2):
            async with session.get(url) as answer:
                assert answer.status == 200, changed("ResponseHandler.read, which counts answers")
        with pytest.raises(TooManyInterimAnswers):
            await session.get(url)


@pytest.mark.parametrize(("never_repeat", "requests"), [(False, 3), (True, 2)])
async def test_only_plain_aiohttp_repeats_a_request(
    never_repeat: bool, requests: int, connector: aiohttp.TCPConnector
) -> None:
    """The server hangs up on the second request on a connection that was kept open."""
    server = Server(FINAL, None, FINAL)
    async with server.running() as url, aiohttp.ClientSession(connector=connector) as session:
        if never_repeat:
            never_repeat_requests(session)
        async with session.get(url):
            pass
        try:
            async with session.get(url) as answer:
                assert answer.status == 200
        except aiohttp.ServerDisconnectedError:
            assert never_repeat, changed("ClientSession._retry_connection")
        assert server.requests == requests, changed("ClientSession._retry_connection")
