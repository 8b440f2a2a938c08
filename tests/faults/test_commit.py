"""No 202 before the commit that holds the notification is on disk."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.util import await_only

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.faults.archive import copy_of, ids
from tests.manual_clock import ManualClock
from tests.running import ACADEMIC, Running, running

# A request whose commit is let through is answered in far fewer turns of the loop.
TURNS = 2000


class Gates:
    """Holds every commit, once before SQLite does it and once after, while they are closed."""

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.before = asyncio.Event()
        self.after = asyncio.Event()
        self.arrived = asyncio.Event()
        self.done = asyncio.Event()
        self.pragmas: dict[str, Any] = {}
        self.open()
        dialect = service.writer._engine.sync_engine.dialect
        self._commit = dialect.do_commit
        monkeypatch.setattr(dialect, "do_commit", self._do_commit)

    def open(self) -> None:
        self.before.set()
        self.after.set()

    def close(self) -> None:
        for gate in (self.before, self.after, self.arrived, self.done):
            gate.clear()

    def _do_commit(self, connection: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode", "synchronous"):
            cursor.execute(f"PRAGMA {pragma}")
            self.pragmas[pragma] = cursor.fetchone()[0]
        cursor.close()
        self.arrived.set()
        await_only(self.before.wait())
        self._commit(connection)
        self.done.set()
        await_only(self.after.wait())


async def _some_turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def _on_disk(service: Running) -> list[str]:
    with copy_of(service.service.config.archive_file) as archive:
        return ids(archive, "SELECT id FROM notifications")


async def test_answer_waits_for_the_commit(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Service(ServiceConfig(), clock)
    gates = Gates(instance, monkeypatch)
    async with running(instance, deliver=False) as service:
        gates.close()
        answers = [asyncio.create_task(service.send(reference=str(n))) for n in range(3)]
        answers += [asyncio.create_task(_send_with_key(service))]
        await gates.arrived.wait()
        await _some_turns()
        assert not any(answer.done() for answer in answers)
        assert _on_disk(service) == []

        # All but the first may share a second commit, as group commit has it.
        gates.before.set()
        await gates.done.wait()
        await _some_turns()
        assert not any(answer.done() for answer in answers)
        assert len(_on_disk(service)) >= 1

        gates.open()
        accepted = await asyncio.gather(*answers)
        assert sorted(_on_disk(service)) == sorted(accepted)


async def _send_with_key(service: Running) -> str:
    answer = await service.http.post(
        "/v1/notifications", json=ACADEMIC, headers={"Idempotency-Key": "k"}
    )
    assert answer.status_code == 202
    return str(answer.json()["id"])


async def test_second_request_with_a_key_waits_for_the_commit_of_the_first(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Service(ServiceConfig(), clock)
    gates = Gates(instance, monkeypatch)
    async with running(instance, deliver=False) as service:
        gates.close()
        answers = [asyncio.create_task(_send_with_key(service)) for _ in range(5)]
        await gates.arrived.wait()
        await _some_turns()
        assert not any(answer.done() for answer in answers)
        gates.open()
        assert len(set(await asyncio.gather(*answers))) == 1


async def test_nothing_is_sent_before_the_commit(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent can be proved: its delivery, whose id it carries, is on disk first."""
    instance = Service(ServiceConfig(), clock)
    gates = Gates(instance, monkeypatch)
    async with running(instance) as service:
        gates.close()
        answer = asyncio.create_task(service.send())
        await gates.arrived.wait()
        await _some_turns()
        assert instance.queue.held == 0
        gates.open()
        await service.completed(await answer)


async def test_commit_is_fsynced(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = Service(ServiceConfig(), clock)
    gates = Gates(instance, monkeypatch)
    async with running(instance, deliver=False) as service:
        await service.send()
        # With WAL, FULL (2) is what fsyncs the log at every commit; NORMAL (1) does not.
        # https://sqlite.org/pragma.html#pragma_synchronous
        assert gates.pragmas == {"journal_mode": "wal", "synchronous": 2}
