"""No 202 before the commit that holds the notification is on disk."""

import asyncio
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.channels.transport import CaptureTransport
from flashnotify.domain import Priority, Sent
from flashnotify.settings import ServiceConfig
from tests.faults.archive import copy_of, ids
from tests.faults.gates import Gates
from tests.support.loop_turns import some_turns
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC, Running, running


@pytest.fixture
def instance(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service that stops without waiting for deliveries in flight."""
    monkeypatch.setenv("FLASHNOTIFY_DRAIN_SECONDS", "0")
    return Service(ServiceConfig(), clock)


@pytest.fixture
async def gates(monkeypatch: pytest.MonkeyPatch) -> Gates:
    return Gates(monkeypatch)


def _on_disk(service: Running) -> list[str]:
    with copy_of(service.service.config.archive_file) as archive:
        return ids(archive, "SELECT id FROM notifications")


async def test_answer_waits_for_the_commit(instance: Service, gates: Gates) -> None:
    async with running(instance, deliver=False) as service:
        gates.close()
        answers = [asyncio.create_task(service.send(reference=str(n))) for n in range(3)]
        answers += [asyncio.create_task(_send_with_key(service))]
        await gates.arrived.wait()
        await some_turns()
        assert not any(answer.done() for answer in answers)
        assert _on_disk(service) == []

        # All but the first may share a second commit, as group commit has it.
        gates.before.set()
        await gates.done.wait()
        await some_turns()
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
    instance: Service, gates: Gates
) -> None:
    async with running(instance, deliver=False) as service:
        gates.close()
        answers = [asyncio.create_task(_send_with_key(service)) for _ in range(5)]
        await gates.arrived.wait()
        await some_turns()
        assert not any(answer.done() for answer in answers)
        gates.open()
        assert len(set(await asyncio.gather(*answers))) == 1


async def test_nothing_is_sent_before_the_commit(instance: Service, gates: Gates) -> None:
    """A delivery is on disk before its message is sent."""
    async with running(instance) as service:
        gates.close()
        answer = asyncio.create_task(service.send())
        await gates.arrived.wait()
        await some_turns()
        queues = instance.dispatch.queues.values()
        assert not any(sum(queue.depth().values()) for queue in queues)
        assert not any(queue.in_flight(lane) for queue in queues for lane in Priority)
        gates.open()
        await service.completed(await answer)


async def test_commit_is_fsynced(instance: Service, gates: Gates) -> None:
    async with running(instance, deliver=False) as service:
        await service.send()
        # With WAL, FULL (2) is what fsyncs the log at every commit; NORMAL (1) does not.
        # https://sqlite.org/pragma.html#pragma_synchronous
        assert gates.pragmas == {"journal_mode": "wal", "synchronous": 2}


async def test_results_of_an_interrupted_batch_are_flushed(
    instance: Service, gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a batch is interrupted, the deliveries already sent stay sent."""
    send, accepted, sent = CaptureTransport.send, asyncio.Event(), asyncio.Event()

    async def one_hangs(transport: CaptureTransport, content: Any) -> Sent:
        if content.to.startswith("hang"):
            await asyncio.get_running_loop().create_future()
        # No commit may be between the gates: that of the request, or of the use of its key.
        await accepted.wait()
        await instance.writer.write()
        gates.close()
        sent.set()
        return await send(transport, content)

    monkeypatch.setattr(CaptureTransport, "send", one_hangs)
    async with running(instance) as service:
        await service.send(to=["mailto:hang@univ.example", "mailto:ada@univ.example"])
        accepted.set()
        await sent.wait()
        await gates.arrived.wait()
        await instance.drain()
        closing = asyncio.create_task(instance.close())
        await some_turns()
        assert not closing.done()
        gates.open()
        await closing
    with copy_of(instance.config.archive_file) as archive:
        deliveries = archive.execute("SELECT address, status FROM deliveries")
        assert dict(deliveries.fetchall()) == {
            "ada@univ.example": "sent",
            "hang@univ.example": "queued",
        }
