"""A part of the service that ends: it is seen, nothing more is accepted, the process ends."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from flashnotify.app import Service
from flashnotify.archive.sqlite.transactions import SqliteTransactions
from flashnotify.domain import Job, Lane, Priority
from flashnotify.settings import ServiceConfig
from tests.faults.serving import Serving, serving
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, running

# More than a service that has failed goes on answering.
SOON = 5.0

End: TypeAlias = Callable[[Serving, pytest.MonkeyPatch], None]


async def _broken(*_: Any, **__: Any) -> None:
    raise RuntimeError("broken by the test")


def _broken_at_once(*_: Any) -> None:
    raise RuntimeError("broken by the test")


def cancelled(part: str) -> End:
    def end(served: Serving, _: pytest.MonkeyPatch) -> None:
        served.service.supervisor.tasks[part].cancel()

    return end


def one_worker_cancelled(_: Serving, __: pytest.MonkeyPatch) -> None:
    (worker,) = [task for task in asyncio.all_tasks() if task.get_name() == "workers email 3"]
    worker.cancel()


def one_worker_raises(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    # All wait for work. The one that gets some, and then asks for more, meets its end.
    queue = served.service.dispatch.queue("email")
    monkeypatch.setattr(queue, "get", _broken)
    queue.put(Job(uuid4(), uuid4(), Priority.low, "email"), Priority.low)


def scheduler_raises(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by a failed read: that ends nothing.
    monkeypatch.setattr(served.service.scheduler, "_look_at", _broken)
    served.service.scheduler.wake_up(Lane(None, Priority.low), 0)


def writer_raises(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteTransactions, "_execute", _broken_at_once)
    served.service.writer.submit([]).add_done_callback(lambda write: write.exception())


ENDS = {
    "writer cancelled": ("writer", cancelled("writer")),
    "writer raises": ("writer", writer_raises),
    "pool cancelled": ("workers email", cancelled("workers email")),
    "fan-outs cancelled": ("workers fan-out", cancelled("workers fan-out")),
    "one worker cancelled": ("workers email", one_worker_cancelled),
    "one worker raises": ("workers email", one_worker_raises),
    "scheduler cancelled": ("scheduler", cancelled("scheduler")),
    "scheduler raises": ("scheduler", scheduler_raises),
    "maintenance cancelled": ("maintenance", cancelled("maintenance")),
}


async def _look_at_failure(served: Serving, part: str) -> None:
    ready = await served.http.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["status"] == "failed"
    assert ready.json()["parts"][part] != "ok"
    metrics = (await served.http.get("/metrics")).text
    assert f'flashnotify_part_ready{{part="{part}"}} 0.0' in metrics
    for client in (served.admin, served.http):
        assert (await client.get("/healthz")).status_code == 200
    refused = await served.admin.post("/v1/notifications", json=ACADEMIC)
    assert refused.status_code == 503, refused.text
    assert int(refused.headers["Retry-After"]) > 0
    assert part in refused.json()["detail"]


@pytest.mark.parametrize("how", ENDS)
async def test_that_ends_is_seen_and_ends_the_process(
    how: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, end = ENDS[how]
    later = {"send_at": "2100-01-01T00:00:00Z"}
    with monkeypatch.context() as patch:
        async with serving(Service(ServiceConfig(), clock)) as served:
            assert (await served.http.get("/readyz")).json()["parts"][part] == "ok"
            accepted = await served.admin.post("/v1/notifications", json=ACADEMIC | later)
            assert accepted.status_code == 202

            end(served, patch)
            await served.service.supervisor.failed.wait()
            # The clock stands still, and so the process cannot be gone before this is seen.
            await _look_at_failure(served, part)
            await clock.advance(SOON)
            assert await served.ended == 1

    # The next process finds all that was accepted, and nothing that was refused.
    async with running(Service(ServiceConfig(), clock), deliver=False) as again:
        (kept,) = (await again.get("/v1/notifications"))["items"]
        assert kept["id"] == accepted.json()["id"]


async def test_writer_that_ends_fails_the_accept_that_waits_for_it(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(Service(ServiceConfig(), clock)) as served:
        monkeypatch.setattr(SqliteTransactions, "_execute", _broken_at_once)
        refused = await served.admin.post("/v1/notifications", json=ACADEMIC)
        assert refused.status_code == 503, refused.text
        assert "Retry-After" in refused.headers
        # Whoever waited is told first; then the writer's task ends.
        await served.service.supervisor.failed.wait()
        await _look_at_failure(served, "writer")
        await clock.advance(SOON)
        assert await served.ended == 1


async def test_signal_cuts_the_last_words_short(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(Service(ServiceConfig(), clock)) as served:
        cancelled("scheduler")(served, monkeypatch)
        await served.service.supervisor.failed.wait()
        await _look_at_failure(served, "scheduler")
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM)
        # The clock stands still: only the signal can end it.
        assert await served.ended == 1
