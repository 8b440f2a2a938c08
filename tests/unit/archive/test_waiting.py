"""Counts of what waits, in every archive: kept by each write that changes it."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from flashnotify.archive.ports import Archive
from flashnotify.archive.records import DeliveryFilter, Finish, Reschedule
from flashnotify.archive.statistics_records import Waiting
from flashnotify.domain import DeliveryStatus, Lane, Priority, WaitReason
from tests.support.archives import Archive as Opened
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive
from tests.support.records import Records

SENT = Finish(DeliveryStatus.sent)
FAILED = Finish(DeliveryStatus.failed, "550 no such user")
SKIPPED = Finish(DeliveryStatus.skipped, "expired")


@pytest.fixture(params=["memory", "sqlite"])
def ports(request: pytest.FixtureRequest) -> Archive:
    """An empty archive."""
    if request.param == "memory":
        return MemoryArchive()
    opened: Opened = request.getfixturevalue("archive")
    return opened.ports


@pytest.fixture
def records(ports: Archive, clock: ManualClock) -> Records:
    return Records(ports, clock.now)


async def numbers(ports: Archive) -> dict[tuple[str | None, str], int]:
    """Return how many wait, by channel and reason."""
    found = await ports.statistics.waiting()
    return {(held.lane.channel, held.reason.value): held.number for held in found}


async def test_fan_outs_wait_until_they_are_done(ports: Archive, records: Records) -> None:
    _, job = await records.accepted()
    await records.accepted()
    assert await numbers(ports) == {(None, "due"): 2}
    await ports.jobs.finish(job)
    assert await numbers(ports) == {(None, "due"): 1}
    # Once more, as when it is read again.
    await ports.jobs.finish(job)
    assert await numbers(ports) == {(None, "due"): 1}


async def test_deliveries_wait_until_they_have_ended(ports: Archive, records: Records) -> None:
    notification, [(_, mails), (_, texts)] = await records.fanned_out(3, ("email", "sms"))
    assert await numbers(ports) == {("email", "due"): 3, ("sms", "due"): 3}
    await records.record(notification, mails[0], [records.attempt()], SENT, 5)
    await ports.deliveries.finish(notification, texts, SKIPPED, 5)
    assert await numbers(ports) == {("email", "due"): 2}
    await asyncio.gather(*(records.record(notification, m, [], FAILED, 6) for m in mails[1:]))
    assert await numbers(ports) == {}


@pytest.mark.parametrize("reason", WaitReason)
async def test_what_is_left_of_a_batch_waits_for_its_new_reason(
    ports: Archive, records: Records, clock: ManualClock, reason: WaitReason
) -> None:
    notification, [(job, mails)] = await records.fanned_out(3)
    made = clock.now()
    await clock.advance(5)
    now = clock.now()
    until = Reschedule(now + 9000, "why", reason)
    await records.record(notification, mails[0], [records.attempt()], SENT, now)
    await records.record(notification, mails[1], [records.attempt()], until, now)
    assert await numbers(ports) == {("email", "due"): 2}
    await ports.jobs.reschedule(job, until)
    since = until.due_at if reason is WaitReason.due else made
    assert await ports.statistics.waiting() == [
        Waiting(Lane("email", Priority.low), reason, 2, since)
    ]
    # Again for the same reason, which another batch has too.
    await ports.jobs.reschedule(job, until)
    _, [(other, _)] = await records.fanned_out()
    await ports.jobs.reschedule(other, until)
    assert await numbers(ports) == {("email", reason.value): 3}
    queued = await ports.deliveries.queued(job.id)
    await asyncio.gather(*(records.record(notification, d, [], FAILED, now) for d in queued))
    await ports.jobs.finish(job)
    assert await numbers(ports) == {("email", reason.value): 1}


async def test_a_retry_waits_again(ports: Archive, records: Records) -> None:
    notification, [(job, [mail])] = await records.fanned_out()
    await records.record(notification, mail, [], FAILED, 5)
    await ports.jobs.finish(job)
    await ports.notifications.requeue(notification.id, [mail], [replace(job, id=records.id())], 6)
    assert await numbers(ports) == {("email", "due"): 1}


async def test_each_delivery_says_why_it_waits(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    notification, [(job, mails)] = await records.fanned_out(3)
    now = clock.now()
    late = Reschedule(now + 9000, "451 busy")
    await records.record(notification, mails[0], [records.attempt()], late, now)
    await records.record(notification, mails[1], [records.attempt()], SENT, now)

    async def listed() -> list[tuple[WaitReason | None, int]]:
        page = await ports.deliveries.page(DeliveryFilter(), limit=9, cursor=None)
        return [(item.waiting, item.due_at) for item in reversed(page.items)]

    retrying, sent = (WaitReason.retrying, now + 9000), (None, now)
    assert await listed() == [retrying, sent, (WaitReason.due, now)]
    until = Reschedule(now + 5000, "waits for the transport", WaitReason.breaker_open)
    await ports.jobs.reschedule(job, until)
    assert await listed() == [retrying, sent, (WaitReason.breaker_open, now + 5000)]


async def test_it_is_read_from_the_counts_and_an_index(archive: Opened) -> None:
    """However much waits: never by counting jobs or deliveries."""
    records = Records(archive.ports, archive.clock.now)
    _, [(job, _)] = await records.fanned_out(2)
    await archive.ports.jobs.reschedule(job, Reschedule(5, "busy"))
    asked: list[tuple[str, Any]] = []
    engine = archive.engines[0].sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    assert len(await archive.ports.statistics.waiting()) == 1
    with closing(sqlite3.connect(archive.file)) as connection:
        plans = [
            step[3]
            for query, values in asked
            for step in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)
        ]
    assert plans == [
        "SCAN waiting",
        "SEARCH jobs USING COVERING INDEX ix_jobs_held (channel=? AND priority=? AND waiting=?)",
    ]
