"""A disk that is full, or fails: 503 while it lasts, nothing half done, nothing sent twice."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flashnotify.api import health
from flashnotify.app import Service
from flashnotify.archive.sqlite import transactions
from flashnotify.channels.transport import CaptureTransport
from flashnotify.domain import Sent
from flashnotify.settings import ServiceConfig
from tests.faults.archive import copy_of, ids
from tests.support.eventually import eventually
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, Running, running
from tests.support.serve_process import ServeProcess
from tests.support.watching import completed

# Too much for what is free in the pages that the archive has.
LARGE = {"body": "x" * 60_000}
# Seconds after which a write that could not be is tried again.
AGAIN = 5.0


class Disk:
    """The archive's disk: `full` as SQLite sees it, or `broken` so that nothing can be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.broken = False
        self.transactions = 0
        self._begin = transactions._begin
        monkeypatch.setattr(transactions, "_begin", self._begin_on_this_disk)

    def _begin_on_this_disk(self, connection: sqlite3.Connection) -> None:
        self.transactions += 1
        if self.broken:
            raise sqlite3.OperationalError("disk I/O error")
        self._begin(connection)
        # As SQLite has it, the least is what the file has already.
        connection.execute(f"PRAGMA max_page_count = {1 if self.full else 1_000_000}")


@pytest.fixture
def instance(clock: ManualClock) -> Service:
    return Service(ServiceConfig(), clock)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
async def service(instance: Service, disk: Disk) -> AsyncIterator[Running]:
    async with running(instance) as started:
        # The scheduler writes when it starts, and that may succeed on a full disk.
        await eventually(lambda: disk.transactions)
        yield started


async def _post(service: Running, **headers: str) -> Any:
    return await service.http.post("/v1/notifications", json=ACADEMIC | LARGE, headers=headers)


def count(service: Running, table: str) -> int:
    """Return the number of committed rows."""
    with copy_of(service.service.config.archive_file) as archive:
        ((rows,),) = archive.execute(f"SELECT COUNT(*) FROM {table}").fetchall()
    return int(rows)


@pytest.mark.parametrize("trouble", ["full", "broken"])
async def test_accept_is_refused_until_there_is_room(
    trouble: str, service: Running, disk: Disk
) -> None:
    before = await service.send()
    await service.completed(before)
    await eventually(lambda: count(service, "jobs") == 0)
    key = {"Idempotency-Key": "once"}

    setattr(disk, trouble, True)
    refused = await asyncio.gather(_post(service), _post(service, **key), _post(service))
    for answer in refused:
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["type"] == "urn:flashnotify:problem:unavailable"
        assert "cannot be written to" in answer.json()["detail"]
        assert "Room changed" not in answer.text
    # What is there can be read, and nothing is half there.
    assert [n["id"] for n in (await service.get("/v1/notifications"))["items"]] == [before]
    tables = ("jobs", "idempotency_keys", "notifications")
    assert [count(service, table) for table in tables] == [0, 0, 1]

    setattr(disk, trouble, False)
    accepted = await _post(service, **key)
    assert accepted.status_code == 202
    assert "Idempotent-Replayed" not in accepted.headers
    await service.completed(accepted.json()["id"])
    assert (await _post(service, **key)).headers["Idempotent-Replayed"] == "true"
    assert len((await service.get("/v1/notifications"))["items"]) == 2
    assert (await service.get("/readyz"))["status"] == "ok"


@pytest.mark.parametrize("trouble", ["full", "broken"])
async def test_outcome_is_written_later_and_the_message_not_sent_twice(
    trouble: str,
    service: Running,
    disk: Disk,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send = CaptureTransport.send
    sent: list[str] = []

    async def sends_and_then_the_disk_fills(transport: CaptureTransport, content: Any) -> Sent:
        sent.append(content.to)
        setattr(disk, trouble, True)
        return await send(transport, content)

    monkeypatch.setattr(CaptureTransport, "send", sends_and_then_the_disk_fills)
    to = [f"mailto:r{n}@univ.example" for n in range(3)]
    id = await service.send(to=to, **LARGE)
    # It is tried once, and then again: time passes, and the disk stays as it is.
    await eventually(lambda: len(sent) == len(to))
    for _ in range(3):
        tried = disk.transactions
        while disk.transactions == tried:
            await clock.advance(AGAIN)
    shown = await service.get(f"/v1/notifications/{id}")
    assert shown["counts"] == {"email": {"queued": 3}}

    setattr(disk, trouble, False)
    while (await service.get(f"/v1/notifications/{id}"))["status"] != "completed":
        await clock.advance(AGAIN)
    shown = await service.get(f"/v1/notifications/{id}")
    assert shown["counts"] == {"email": {"sent": 3}}
    assert sorted(sent) == ["r0@univ.example", "r1@univ.example", "r2@univ.example"]
    for delivery in (await service.get(f"/v1/notifications/{id}/deliveries"))["items"]:
        assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["sent"]


async def readiness(service: Running) -> tuple[int, str]:
    """Return the status of `/readyz`, and what it says of the archive."""
    answer = await service.anonymous.get("/readyz")
    return answer.status_code, answer.json()["parts"]["archive"]


async def test_readiness_is_what_accepting_would_do(
    service: Running, disk: Disk, clock: ManualClock
) -> None:
    disk.full = True
    assert (await _post(service)).status_code == 503
    assert await readiness(service) == (503, "failing")
    disk.full = False
    # Nobody sends anything to a service that is not ready: it finds out by itself.
    await clock.advance(AGAIN + 1)
    assert await readiness(service) == (200, "ok")


async def test_readiness_needs_no_request_that_fails_first(
    service: Running, disk: Disk, clock: ManualClock
) -> None:
    assert await readiness(service) == (200, "ok")
    await clock.advance(2)
    disk.broken = True
    assert await readiness(service) == (503, "failing")
    # Asked often, it writes no more for that.
    tried = disk.transactions
    assert [await readiness(service) for _ in range(9)] == [(503, "failing")] * 9
    assert disk.transactions == tried
    disk.broken = False
    await clock.advance(AGAIN + 1)
    assert await readiness(service) == (200, "ok")


async def test_a_held_write_lock_is_not_ready(
    service: Running, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_READ_TIMEOUT", 0.1)
    await service.service.writer.write()
    await clock.advance(2)
    with closing(sqlite3.connect(service.service.config.archive_file)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        assert await readiness(service) == (503, "failing")
        assert await readiness(service) == (503, "failing")
        other.execute("ROLLBACK")
        assert service.service.writer._waiting.rows <= 1, "they share one write"
    monkeypatch.undo()
    assert await readiness(service) == (200, "ok")


async def test_scheduler_outlives_it(service: Running, disk: Disk, clock: ManualClock) -> None:
    """A full disk must not end the task that purges the archive."""
    headers = {"Idempotency-Key": "k"}
    answer = await service.http.post("/v1/notifications", json=ACADEMIC, headers=headers)
    await service.completed(answer.json()["id"])
    await clock.skip(24 * 3600 - 60)
    disk.broken = True
    # The key's day is over: to forget it is tried again and again.
    for _ in range(3):
        tried = disk.transactions
        while disk.transactions == tried:
            await clock.advance(60)
    ready = await service.anonymous.get("/readyz")
    assert ready.json()["parts"]["scheduler"] == "ok"
    disk.broken = False
    while (await service.anonymous.get("/readyz")).status_code != 200:
        await clock.advance(60)
    assert (await service.completed(await service.send()))["counts"] == {"email": {"sent": 1}}


async def test_of_a_process(tmp_path: Path) -> None:
    """Test the same with `serve`, whose files cannot grow for a while."""
    async with ServeProcess(tmp_path) as serve:
        accepted = []

        async def post() -> int:
            answer = await serve.admin.post("/v1/notifications", json=ACADEMIC | LARGE)
            if answer.status_code == 202:
                accepted.append(answer.json()["id"])
            else:
                assert int(answer.headers["Retry-After"]) > 0
            return answer.status_code

        assert await post() == 202
        before = resource.prlimit(serve.pid, resource.RLIMIT_FSIZE)
        log = serve.archive.with_name(serve.archive.name + "-wal")
        resource.prlimit(serve.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
        codes = [await post() for _ in range(8)]
        assert 503 in codes
        assert set(codes) <= {202, 503}
        assert (await serve.http.get("/readyz")).status_code == 503

        resource.prlimit(serve.pid, resource.RLIMIT_FSIZE, before)
        # Work that waits for the disk tries again after some seconds.
        for id in accepted:
            await completed(serve, id)
        assert (await serve.http.get("/readyz")).status_code == 200
        assert await post() == 202
        assert await serve.terminate() == 0
        with copy_of(serve.archive) as archive:
            assert archive.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert sorted(ids(archive, "SELECT id FROM notifications")) == sorted(accepted)
