"""What an accept and a delivery cost, counted: no clock is involved, so any machine will do."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.archive.sqlite import transactions
from flashnotify.archive.sqlite.driver import Connection
from flashnotify.delivery.executor import Executor
from flashnotify.domain import BATCH_SIZE
from flashnotify.identity.roles import user_principal
from flashnotify.settings import ServiceConfig
from tests.support.loop_turns import some_turns
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import ACADEMIC, Running, running

MANY = 100


class Costs:
    """Counts hand-overs to database threads, and the commits and statements of the writer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hand_overs = self.commits = self.statements = 0
        run, commit, execute = Connection.run, transactions._commit, transactions._run

        async def counted_run(connection: Connection, *arguments: Any) -> Any:
            self.hand_overs += 1
            return await run(connection, *arguments)

        def counted_commit(connection: sqlite3.Connection) -> None:
            self.commits += 1
            commit(connection)

        def counted_statement(*arguments: Any) -> None:
            self.statements += 1
            execute(*arguments)

        monkeypatch.setattr(Connection, "run", counted_run)
        monkeypatch.setattr(transactions, "_commit", counted_commit)
        monkeypatch.setattr(transactions, "_run", counted_statement)

    async def start(self) -> None:
        """Count from now on, once the service has nothing left to do."""
        before = -1
        while before != self.hand_overs:
            before = self.hand_overs
            await some_turns()
        self.hand_overs = self.commits = self.statements = 0


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Costs:
    return Costs(monkeypatch)


@pytest.fixture
async def accepting(clock: ManualClock) -> AsyncIterator[Running]:
    async with running(Service(ServiceConfig(), clock), deliver=False) as service:
        await service.send()
        yield service


async def test_an_accept_is_one_commit_and_one_hand_over(accepting: Running, costs: Costs) -> None:
    await costs.start()
    for _ in range(MANY):
        await accepting.send()
    assert (costs.commits, costs.hand_overs) == (MANY, MANY)
    assert costs.statements <= 8 * MANY


async def test_accepts_at_once_share_commits_and_statements(
    accepting: Running, costs: Costs
) -> None:
    await costs.start()
    await asyncio.gather(*(accepting.send() for _ in range(MANY)))
    assert costs.commits == costs.hand_overs <= MANY / 5
    assert costs.statements <= 8 * costs.commits


async def test_a_delivery_is_one_commit_and_no_read(clock: ManualClock, costs: Costs) -> None:
    """Beside the commit of the accept, which leaves its records at hand."""
    async with running(Service(ServiceConfig(), clock)) as service:
        await service.send()
        await costs.start()
        committed = asyncio.Semaphore(0)
        service.service.writer.when_committed(committed.release)
        for _ in range(MANY):
            await service.send()
            await committed.acquire()
            await committed.acquire()
    assert (costs.commits, costs.hand_overs) == (2 * MANY, 2 * MANY)


async def test_deliveries_at_once_share_commits(clock: ManualClock, costs: Costs) -> None:
    """More of them than there are workers, who do not wait for the disk."""
    async with running(Service(ServiceConfig(), clock)) as service:
        await service.send()
        await costs.start()
        for id in await asyncio.gather(*(service.send() for _ in range(MANY))):
            await service.completed(id)
    # With their accepts: about 9. 46 while each worker waited for the result of its delivery.
    assert costs.commits <= 12
    assert costs.statements <= 18 * costs.commits


async def test_a_delivery_makes_few_function_calls(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_one, calls = Executor._send_one, 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    async def counted(*arguments: Any) -> None:
        # To capture:// it never waits, so that nothing else is counted.
        sys.setprofile(count)
        try:
            await send_one(*arguments)
        finally:
            sys.setprofile(None)

    monkeypatch.setattr(Executor, "_send_one", counted)
    async with running(Service(ServiceConfig(), clock)) as service:
        to = [f"mailto:a{number}@univ.example" for number in range(BATCH_SIZE)]
        await service.completed(await service.send(to=to))
    # About 156.
    assert 0 < calls / BATCH_SIZE < 170


async def test_an_accept_makes_few_function_calls(accepting: Running) -> None:
    # About 345; 670 with FastAPI's resolution of dependencies.
    assert await calls_of(accepting, "/v1/notifications", ACADEMIC) < 360


async def test_a_notification_of_many_makes_few_function_calls(accepting: Running) -> None:
    calls = await calls_of(accepting, "/v1/notifications/batch", [ACADEMIC] * MANY)
    # About 204; 315 when each was checked and stored in a task of its own.
    assert calls / MANY < 215


async def calls_of(accepting: Running, path: str, content: Any) -> float:
    """Return the number of Python calls that a request makes."""
    key = await accepting.key("notify:academic")
    request = accepting.anonymous.build_request("POST", path, json=content, headers=key)
    app = accepting.anonymous._transport.app  # type: ignore[attr-defined]
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    statuses = [await post(app, path, request.headers.raw, request.content) for _ in range(3)]
    sys.setprofile(count)
    try:
        statuses += [await post(app, path, request.headers.raw, request.content) for _ in range(20)]
    finally:
        sys.setprofile(None)
    assert statuses == [202] * 23
    return calls / 20


async def test_a_known_token_is_authenticated_without_the_archive(
    accepting: Running, costs: Costs
) -> None:
    identity = accepting.service.identity
    user = user_principal(await add_user(accepting.service))
    token = (await identity.grants.issue(user, None, "password", None)).access_token
    principal = await identity.tokens.authenticate(token)
    await costs.start()
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        for _ in range(MANY):
            assert await identity.tokens.authenticate(token) is principal
    finally:
        sys.setprofile(None)
    assert costs.hand_overs == 0
    # About 9: 3 µs of CPU.
    assert calls / MANY < 12


async def post(app: Any, path: str, headers: Any, body: bytes) -> int:
    """Post without a client, whose calls would be counted too."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
        "scheme": "http",
        "root_path": "",
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0]
