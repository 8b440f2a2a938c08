"""What is due in the archive is queued: on time, again, after a restart, as room comes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from flashnotify.archive.writes.statements import (
    ADD_IDEMPOTENCY_KEY,
    END_JOB,
    POSTPONE_JOB,
)
from flashnotify.domain import Job, Priority
from flashnotify.errors import Unavailable
from flashnotify.queue.async_queue import AsyncQueue
from flashnotify.runtime.maintenance import Retention
from flashnotify.runtime.scheduler import Scheduler
from tests.support.archives import Archive
from tests.support.manual_clock import ManualClock

ALL = frozenset(Priority)


class RestingClock(ManualClock):
    """Says when the scheduler has nothing to do."""

    def __init__(self) -> None:
        super().__init__()
        self.rests = 0
        self.resting = asyncio.Condition()

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        async with self.resting:
            if not event.is_set():
                self.rests += 1
                self.resting.notify_all()
        return await super().wait(event, seconds)


class Scheduled:
    """A scheduler at work on an archive."""

    def __init__(self, archive: Archive, clock: RestingClock, bound: int) -> None:
        self.archive = archive
        self.clock = clock
        self.queue: AsyncQueue[Job] = AsyncQueue(bound)
        self.scheduler = Scheduler(
            self.queue,
            archive.reader,
            Retention((), archive.reader, archive.writer, clock),
            clock,
        )
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, and look at the archive for the first time."""
        self.task = asyncio.create_task(self.scheduler.run())
        await self.rest(0)

    async def rest(self, before: int | None = None) -> None:
        """Wait until the scheduler has seen to all it knew of since `before`."""
        seen = self.clock.rests if before is None else before
        async with self.clock.resting:
            await self.clock.resting.wait_for(lambda: self.clock.rests > seen)

    async def advance(self, seconds: float) -> None:
        """Let time pass, to where the scheduler has something to do."""
        seen = self.clock.rests
        await self.clock.advance(seconds)
        await self.rest(seen)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})

    def queued(self) -> int:
        return sum(self.queue.depth().values())


@pytest.fixture
def clock() -> RestingClock:
    return RestingClock()


@pytest.fixture
async def scheduled(archive: Archive, clock: RestingClock) -> AsyncIterator[Scheduled]:
    scheduled = Scheduled(archive, clock, bound=8)
    yield scheduled
    await scheduled.stop()


async def test_what_a_crash_left_is_queued_at_the_start(
    scheduled: Scheduled, archive: Archive
) -> None:
    left = [
        await archive.accepted(due=archive.clock.now() - 1000, priority=priority)
        for priority in Priority
    ]
    await scheduled.start()
    taken = [await scheduled.queue.get(ALL) for _ in left]
    assert sorted(taken, key=str) == sorted(left, key=str)


async def test_send_at_is_kept_to_the_millisecond(scheduled: Scheduled, archive: Archive) -> None:
    job = await archive.accepted(due=archive.clock.now() + 3_590_500)
    await scheduled.start()
    assert scheduled.queued() == 0
    await scheduled.advance(3590.499)
    assert scheduled.queued() == 0
    await scheduled.clock.advance(0.001)
    assert await scheduled.queue.get(ALL) == job


async def test_what_is_accepted_later_and_due_sooner_is_noticed(
    scheduled: Scheduled, archive: Archive
) -> None:
    await archive.accepted(due=archive.clock.now() + 50_000)
    await scheduled.start()
    job = await archive.accepted(due=archive.clock.now() + 5000, priority=Priority.high)
    seen = scheduled.clock.rests
    scheduled.scheduler.notice(Priority.high, archive.clock.now() + 5000)
    await scheduled.rest(seen)
    assert scheduled.queued() == 0
    await scheduled.clock.advance(5)
    assert await scheduled.queue.get(ALL) == job


async def test_a_retry_comes_back_when_it_is_due(scheduled: Scheduled, archive: Archive) -> None:
    job = await archive.accepted()
    await scheduled.start()
    assert await scheduled.queue.get(ALL) == job
    due = archive.clock.now() + 20_000
    await archive.writer.write((POSTPONE_JOB, {"of": job.id, "due": due}))
    scheduled.queue.done(job)
    seen = scheduled.clock.rests
    scheduled.scheduler.notice(job.priority, due)
    await scheduled.rest(seen)
    assert scheduled.queued() == 0
    await scheduled.clock.advance(20)
    assert await scheduled.queue.get(ALL) == job


async def test_what_is_in_hand_is_not_queued_a_second_time(
    scheduled: Scheduled, archive: Archive
) -> None:
    jobs = [await archive.accepted() for _ in range(3)]
    await scheduled.start()
    in_hand = await scheduled.queue.get(ALL)
    for _ in range(3):
        # Each tick finds all three on disk, and due.
        await scheduled.advance(60)
        assert scheduled.queued() == 2
    scheduled.queue.done(in_hand)
    await scheduled.advance(60)
    assert scheduled.queued() == 3
    assert {(await scheduled.queue.get(ALL)).id for _ in jobs} == {job.id for job in jobs}


async def test_what_ends_while_the_archive_is_read_is_not_queued_again(
    scheduled: Scheduled, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, left = await archive.accepted(), await archive.accepted()
    await scheduled.start()
    assert await scheduled.queue.get(ALL) == ended
    read = archive.reader.jobs_due

    async def end_meanwhile(lane: Priority, now: int, most: int) -> list[Job]:
        jobs = await read(lane, now, most)
        if lane is ended.priority:
            assert ended in jobs
            await archive.writer.write((END_JOB, {"of": ended.id}))
            scheduled.queue.done(ended)
        return jobs

    monkeypatch.setattr(archive.reader, "jobs_due", end_meanwhile)
    await scheduled.advance(60)
    assert scheduled.queued() == 1
    assert await scheduled.queue.get(ALL) == left


async def test_a_full_lane_leaves_work_on_disk_and_refills_when_it_is_low(
    scheduled: Scheduled, archive: Archive
) -> None:
    """Not at the next tick: the clock stands still."""
    jobs = [await archive.accepted() for _ in range(40)]
    await scheduled.start()
    assert scheduled.queued() == 8
    taken: list[Job] = []
    while len(taken) < 40:
        seen = scheduled.clock.rests
        job = await scheduled.queue.get(ALL)
        taken.append(job)
        low = scheduled.queued() == 2 and len(taken) + 2 < 40
        assert scheduled.queued() >= 2 or len(taken) > 37
        await archive.writer.write((END_JOB, {"of": job.id}))
        scheduled.queue.done(job)
        if low:
            await scheduled.rest(seen)
            assert scheduled.queued() == min(8, 40 - len(taken))
    # The longest due first, each once.
    assert [job.id for job in taken] == [job.id for job in jobs]


async def test_refills_also_while_all_is_in_hand(scheduled: Scheduled, archive: Archive) -> None:
    """What is in hand is on disk too, and must not fill the page that is read."""
    for _ in range(20):
        await archive.accepted()
    await scheduled.start()
    in_hand: list[Job] = []
    while len(in_hand) < 20:
        seen = scheduled.clock.rests
        in_hand.append(await scheduled.queue.get(ALL))
        if scheduled.queued() == 2 and len(in_hand) + 2 < 20:
            await scheduled.rest(seen)
    assert len({job.id for job in in_hand}) == 20


async def test_a_lane_that_has_no_room_holds_up_no_other(
    scheduled: Scheduled, archive: Archive
) -> None:
    for _ in range(20):
        await archive.accepted(priority=Priority.low)
    await scheduled.start()
    job = await archive.accepted(priority=Priority.critical)
    seen = scheduled.clock.rests
    scheduled.scheduler.notice(Priority.critical, archive.clock.now())
    await scheduled.rest(seen)
    assert await scheduled.queue.get(ALL) == job


async def test_what_nobody_gave_notice_of_is_found_at_the_next_tick(
    scheduled: Scheduled, archive: Archive
) -> None:
    await scheduled.start()
    job = await archive.accepted()
    await scheduled.clock.advance(59)
    assert scheduled.queued() == 0
    await scheduled.clock.advance(1)
    assert await scheduled.queue.get(ALL) == job


async def test_a_restart_picks_up_what_is_unfinished(
    scheduled: Scheduled, archive: Archive, clock: RestingClock
) -> None:
    jobs = [await archive.accepted() for _ in range(5)]
    await scheduled.start()
    for _ in range(2):
        job = await scheduled.queue.get(ALL)
        await archive.writer.write((END_JOB, {"of": job.id}))
        scheduled.queue.done(job)
    await scheduled.queue.get(ALL)  # in hand when the process ends
    await scheduled.stop()

    restarted = Scheduled(archive, clock, bound=8)
    seen = clock.rests
    restarted.task = asyncio.create_task(restarted.scheduler.run())
    await restarted.rest(seen)
    taken = [await restarted.queue.get(ALL) for _ in range(3)]
    assert taken == jobs[2:]
    assert restarted.queued() == 0
    await restarted.stop()


async def test_old_idempotency_keys_are_forgotten(
    scheduled: Scheduled, archive: Archive, clock: RestingClock
) -> None:
    row = {"caller": "a", "key": "k", "fingerprint": b"", "answer": "{}", "created_at": clock.now()}
    await archive.writer.write((ADD_IDEMPOTENCY_KEY, row))
    await scheduled.start()
    number = "SELECT count(*) FROM idempotency_keys"
    await scheduled.advance(24 * 3600 - 60)
    assert archive.one(number) == 1
    for _ in range(3):
        await scheduled.advance(60)
    assert archive.one(number) == 0


async def test_goes_on_while_nothing_can_be_read(
    scheduled: Scheduled, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too much else is read: the next moment it may not be."""
    job = await archive.accepted()

    async def refuse(lane: Priority, now: int, most: int) -> list[Job]:
        raise Unavailable("Too much is read at the moment.", retry_after=5)

    with monkeypatch.context() as patch:
        patch.setattr(archive.reader, "jobs_due", refuse)
        await scheduled.start()
        await scheduled.advance(5)
    assert scheduled.queued() == 0
    await scheduled.advance(5)
    assert await scheduled.queue.get(ALL) == job


async def test_goes_on_while_nothing_can_be_written(scheduled: Scheduled, archive: Archive) -> None:
    """A full disk: what is due can still be sent."""
    job = await archive.accepted(due=archive.clock.now() + 120_000)
    archive.writer.close()
    await scheduled.start()
    await scheduled.advance(60)
    await scheduled.clock.advance(60)
    assert await scheduled.queue.get(ALL) == job
