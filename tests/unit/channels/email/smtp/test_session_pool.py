"""Kept SMTP sessions: how long, what becomes of dead ones, and as many as the server allows."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flashnotify.channels.email.smtp import session_pool
from flashnotify.channels.email.smtp.transport import SmtpTransport
from flashnotify.errors import Unreachable
from tests.support.eventually import eventually
from tests.support.manual_clock import ManualClock
from tests.support.smtp_server import SmtpServer
from tests.unit.channels.email.conftest import Made, email


async def send_at_once(transport: SmtpTransport, number: int) -> None:
    """Send some emails, as many at once as the transport allows."""

    async def one() -> None:
        async with transport.connections.use(urgent=True):
            await transport.send(email())

    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            group.create_task(one())


async def test_idle_sessions_are_ended_at_their_age(
    smtp: SmtpServer, made: Made, clock: ManualClock
) -> None:
    transport = made(smtp.url, idle=20)
    await transport.send(email())
    await clock.advance(19)
    await transport.send(email())
    assert (smtp.connections, smtp.open) == (1, 1)
    await clock.advance(19)
    assert smtp.open == 1
    await clock.advance(1)
    await eventually(lambda: smtp.open == 0)
    await transport.send(email())
    assert smtp.connections == 2


async def test_forgotten_connections_cost_no_delivery(
    smtp: SmtpServer, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_pool, "_CHECK", 0.05)
    transport = made(smtp.url)
    await send_at_once(transport, 8)
    smtp.forget()
    await send_at_once(transport, 5)
    assert len(smtp.mails) == 13


async def test_one_forgotten_connection_tells_about_those_kept_for_longer(
    smtp: SmtpServer, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = made(smtp.url)
    await send_at_once(transport, 8)
    smtp.forget()
    checks = 0

    async def begin(self: Any, kept: Any, *message: str) -> Any:
        nonlocal checks
        checks += kept is not None
        return await original(self, kept, *message)

    original = session_pool.SessionPool._begin_in
    monkeypatch.setattr(session_pool.SessionPool, "_begin_in", begin)
    monkeypatch.setattr(session_pool, "_CHECK", 0.05)
    await transport.send(email())
    assert (checks, len(smtp.mails)) == (1, 9)


async def test_a_server_that_allows_two_connections_gets_two(
    smtp: SmtpServer, made: Made, clock: ManualClock
) -> None:
    smtp.allowed = 2
    transport = made(smtp.url)
    await send_at_once(transport, 40)
    assert len(smtp.mails) == 40
    assert transport.connections.total == 2
    refused = smtp.connections
    await send_at_once(transport, 40)
    assert smtp.connections == refused
    # Once in a while it is asked for more.
    smtp.allowed = None
    await clock.advance(60)
    for _ in range(4):
        await send_at_once(transport, 4)
        await clock.advance(60)
        await send_at_once(transport, 1)
    assert transport.connections.total == 16


async def test_a_server_that_allows_none_is_unreachable(smtp: SmtpServer, made: Made) -> None:
    smtp.allowed = 0
    transport = made(smtp.url)
    results = await asyncio.gather(
        *(transport.send(email()) for _ in range(6)), return_exceptions=True
    )
    assert [type(result).__mro__[1] for result in results] == [Unreachable] * 6


async def test_a_cancelled_delivery_gives_up_its_turn(smtp: SmtpServer, made: Made) -> None:
    smtp.allowed = 1
    transport = made(smtp.url)
    sending = [asyncio.create_task(transport.send(email())) for _ in range(6)]
    await eventually(lambda: smtp.connections >= 3)
    sending[-1].cancel()
    sending[-2].cancel()
    await asyncio.wait(sending)
    assert all(task.cancelled() or task.exception() is None for task in sending)


@contextmanager
def black_hole(port: int) -> Iterator[str]:
    """Yield an address where nothing ever answers, since the queue of its port is full."""
    with socket.socket() as hole, socket.socket() as first, socket.socket() as second:
        hole.bind(("127.0.0.2", port))
        hole.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(("127.0.0.2", port))
        yield "127.0.0.2"


async def test_an_address_that_never_answers_hides_no_other(
    smtp: SmtpServer, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()

    async def addresses(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        found = ("127.0.0.2", "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(loop, "getaddrinfo", addresses)
    with black_hole(smtp.port):
        await made(f"smtp://mail.univ.example:{smtp.port}").send(email())
    assert len(smtp.mails) == 1
