"""The scheduler queues due jobs on time, after a restart and as room becomes free."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from flashnotify.archive.records import Notification, Reschedule, ScheduledJob
from flashnotify.domain import Job, Lane, NotificationStatus, Priority, WaitReason
from flashnotify.errors import Unavailable
from flashnotify.queue.dispatch import Dispatch
from flashnotify.runtime import scheduler
from tests.support.loop_turns import some_turns
from tests.support.memory_archive import MemoryArchive
from tests.support.scheduling import RestingClock, Scheduling

BOUND = 8
TICK = 60
LOW = Lane("email", Priority.low)


class Stored:
    """Jobs in an archive, and the reads of them by lane."""

    def __init__(self, clock: RestingClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.archive = MemoryArchive()
        self.clock = clock
        self.reads: list[tuple[str, Lane]] = []
        self._number = 0
        for verb in ("ready", "waited"):
            self._count(verb, monkeypatch)

    def _count(self, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
        read = getattr(self.archive.jobs, verb)

        async def counted(lane: Lane, *rest: object) -> Sequence[object]:
            self.reads.append((verb, lane))
            found: Sequence[object] = await read(lane, *rest)
            assert len(found) <= 200
            return found

        monkeypatch.setattr(self.archive.jobs, verb, counted)

    def job(self, lane: Lane = LOW, *, turn: int | None = 0, due: int = 0, ordinal: int = 0) -> Job:
        """Store a job; without a `turn` it waits until `due`, in milliseconds from now."""
        self._number += 1
        id = UUID(int=self._number)
        job = Job(id, id, lane.priority, lane.channel, ordinal, turn)
        reason = "waits" if turn is None else None
        waiting = WaitReason.retrying if turn is None else WaitReason.due
        self.archive.state.jobs[id] = ScheduledJob(job, self.clock.now() + due, reason, waiting)
        return job


@pytest.fixture
def clock() -> RestingClock:
    return RestingClock()


@pytest.fixture
def stored(clock: RestingClock, monkeypatch: pytest.MonkeyPatch) -> Stored:
    return Stored(clock, monkeypatch)


@pytest.fixture
async def scheduled(stored: Stored, clock: RestingClock) -> AsyncIterator[Scheduling]:
    scheduled = Scheduling(stored.archive, Dispatch(("email", "sms"), BOUND), clock)
    yield scheduled
    await scheduled.stop()


async def test_everything_a_crash_left_is_queued_at_the_start(
    scheduled: Scheduling, stored: Stored
) -> None:
    left = [
        stored.job(Lane(channel, priority), turn=turn)
        for channel in (None, "email", "sms")
        for priority in Priority
        for turn in (3, None)
    ]
    await scheduled.start()
    taken = []
    for channel in (None, "email", "sms"):
        taken += [await scheduled.take(channel) for _ in range(8)]
        assert scheduled.depth(channel) == 0
    assert {job.id for job in taken} == {job.id for job in left}


async def next_due(scheduled: Scheduling, after: float) -> UUID:
    """Return the job that is due a millisecond after `after` seconds, and not earlier."""
    await scheduled.advance(after)
    assert scheduled.depth() == 0
    await scheduled.advance(0.001)
    return (await scheduled.take()).id


async def test_send_at_is_kept_to_the_millisecond(scheduled: Scheduling, stored: Stored) -> None:
    job = stored.job(turn=None, due=590_500)
    await scheduled.start()
    assert await next_due(scheduled, after=590.499) == job.id


async def test_a_clock_that_is_set_back_holds_no_retry(
    scheduled: Scheduling, stored: Stored
) -> None:
    retry, quiet = stored.job(turn=None, due=30_000), stored.job(turn=None, due=30_000)
    state = stored.archive.state.jobs
    state[quiet.id] = replace(state[quiet.id], waiting=WaitReason.quiet_hours)
    await scheduled.start()
    await some_turns()
    scheduled.clock.step(-3600)
    await scheduled.advance(60)
    assert (await scheduled.take()).id == retry.id
    assert scheduled.depth() == 0, "the end of quiet hours is a time of day"


async def test_a_wait_that_no_policy_has_is_reconsidered_at_the_start(
    scheduled: Scheduling, stored: Stored
) -> None:
    """The clock may have been set back while the service did not run."""
    job = stored.job(turn=None, due=3_600_000)
    stored.job(Lane(None, Priority.low), turn=None, due=3_600_000)
    await scheduled.start()
    assert (await scheduled.take()).id == job.id
    assert scheduled.depth(None) == 0, "send_at is as far away as somebody wants"


async def test_a_wake_up_for_something_sooner_is_kept_too(
    scheduled: Scheduling, stored: Stored, clock: RestingClock
) -> None:
    stored.job(turn=None, due=50_000)
    await scheduled.start()
    job = stored.job(turn=None, due=5000)
    scheduled.dispatch.wake_up(LOW, clock.now() + 5000)
    # One that is later changes nothing.
    scheduled.dispatch.wake_up(LOW, clock.now() + 40_000)
    await scheduled.settle()
    assert await next_due(scheduled, after=4.999) == job.id


async def test_a_rescheduled_job_joins_its_lane_where_the_lane_is_then(
    scheduled: Scheduling, stored: Stored, clock: RestingClock
) -> None:
    job = stored.job(ordinal=3)
    await scheduled.start()
    assert await scheduled.take() == job
    await stored.archive.jobs.reschedule(job, Reschedule(clock.now() + 20_000, "busy"))
    scheduled.dispatch.queue("email").done(job)
    scheduled.dispatch.wake_up(job.lane, clock.now() + 20_000)
    stored.job(turn=40)
    scheduled.dispatch.wake_up(LOW, 0)
    await scheduled.settle()
    await scheduled.take()
    await scheduled.advance(20)
    again = await scheduled.take()
    assert (again.id, again.turn) == (job.id, 43)


async def test_a_job_in_flight_is_not_queued_a_second_time(
    scheduled: Scheduling, stored: Stored
) -> None:
    jobs = [stored.job(), stored.job(turn=None), stored.job(turn=2)]
    await scheduled.start()
    in_flight = await scheduled.take()
    for _ in range(3):
        # Each tick finds all three on disk, and due.
        await scheduled.advance(TICK)
        assert scheduled.depth() == 2
    scheduled.dispatch.queue("email").done(in_flight)
    await scheduled.advance(TICK)
    assert scheduled.depth() == 3
    assert {(await scheduled.take()).id for _ in jobs} == {job.id for job in jobs}


@pytest.mark.parametrize("verb", ["ready", "waited"])
async def test_a_job_that_ends_while_the_archive_is_read_is_not_queued_again(
    scheduled: Scheduling, stored: Stored, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    turn = 0 if verb == "ready" else None
    ended, left = stored.job(turn=turn), stored.job(turn=turn)
    await scheduled.start()
    taken = await scheduled.take()
    assert taken.id == ended.id
    read = getattr(stored.archive.jobs, verb)

    async def end_meanwhile(lane: Lane, *rest: object) -> Sequence[object]:
        found: Sequence[object] = await read(lane, *rest)
        if lane == LOW and ended.id in stored.archive.state.jobs:
            await scheduled.finish(taken)
        return found

    monkeypatch.setattr(stored.archive.jobs, verb, end_meanwhile)
    await scheduled.advance(TICK)
    assert ended.id not in stored.archive.state.jobs
    assert scheduled.depth() == 1
    assert (await scheduled.take()).id == left.id


async def test_a_job_that_is_due_again_at_once_after_such_a_read_is_not_forgotten(
    scheduled: Scheduling, stored: Stored, clock: RestingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read shows it as before; the wake-up that comes with its release leads to another."""
    job = stored.job()
    await scheduled.start()
    await scheduled.take()
    read = stored.archive.jobs.ready
    released = False

    async def release_meanwhile(
        lane: Lane, after: tuple[int, UUID] | None, limit: int
    ) -> Sequence[Job]:
        nonlocal released
        found = await read(lane, after, limit)
        if lane == LOW and not released:
            released = True
            await stored.archive.jobs.reschedule(job, Reschedule(clock.now(), ""))
            scheduled.dispatch.queue("email").done(job)
            scheduled.dispatch.wake_up(job.lane, clock.now())
        return found

    monkeypatch.setattr(stored.archive.jobs, "ready", release_meanwhile)
    scheduled.dispatch.wake_up(LOW, 0)
    await scheduled.settle()
    assert scheduled.depth() == 1


async def test_a_full_lane_leaves_work_on_disk_and_refills_at_its_low_water_mark(
    scheduled: Scheduling, stored: Stored
) -> None:
    """Not at the next tick: the clock stands still."""
    jobs = [stored.job(turn=number) for number in range(40)]
    await scheduled.start()
    assert scheduled.depth() == BOUND
    taken: list[Job] = []
    while len(taken) < 40:
        taken.append(await scheduled.take())
        await scheduled.finish(taken[-1])
        assert scheduled.depth() > BOUND // 4 or len(taken) >= 40 - BOUND // 4
    # In the order of their turns, each once.
    assert taken == jobs


async def test_it_refills_also_while_everything_is_in_flight(
    scheduled: Scheduling, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs in flight are on disk too, and may fill more than the slice that is read."""
    monkeypatch.setattr(scheduler, "_SLICE", 4)
    jobs = [stored.job(turn=number) for number in range(30)]
    await scheduled.start()
    assert [await scheduled.take() for _ in jobs] == jobs


async def test_jobs_that_have_waited_are_read_in_slices_too(
    scheduled: Scheduling, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "_SLICE", 4)
    jobs = [stored.job(turn=None, due=-number) for number in range(30)]
    await scheduled.start()
    taken = [await scheduled.take() for _ in jobs]
    assert {job.id for job in taken} == {job.id for job in jobs}
    assert scheduled.depth() == 0


async def test_a_refill_reads_its_own_lane_only(scheduled: Scheduling, stored: Stored) -> None:
    for number in range(20):
        stored.job(turn=number)
        stored.job(Lane("sms", Priority.low), turn=number)
    await scheduled.start()
    stored.reads.clear()
    for _ in range(BOUND):
        await scheduled.take()
    assert {lane for _, lane in stored.reads} == {LOW}


async def test_a_full_lane_holds_up_no_other(scheduled: Scheduling, stored: Stored) -> None:
    for number in range(20):
        stored.job(turn=number)
    await scheduled.start()
    urgent = Lane("email", Priority.critical)
    jobs = [stored.job(urgent), stored.job(Lane("sms", Priority.low))]
    for job in jobs:
        scheduled.dispatch.wake_up(job.lane, 0)
    await scheduled.settle()
    assert await scheduled.take("sms") == jobs[1]
    assert await scheduled.dispatch.queue("email").get(frozenset({urgent.priority})) == jobs[0]


async def test_a_lost_wake_up_is_made_good_at_the_next_tick(
    scheduled: Scheduling, stored: Stored
) -> None:
    await scheduled.start()
    ready, waited = stored.job(), stored.job(turn=None, due=59_000)
    await scheduled.advance(TICK - 1)
    assert scheduled.depth() == 0
    await scheduled.advance(1)
    assert {(await scheduled.take()).id for _ in range(2)} == {ready.id, waited.id}


async def test_a_wake_up_for_a_lane_that_is_not_declared_is_kept(
    scheduled: Scheduling, stored: Stored
) -> None:
    """The batches of a channel that is gone end as skipped."""
    await scheduled.start()
    fax = Lane("fax", Priority.low)
    job = stored.job(fax, turn=None)
    scheduled.dispatch.wake_up(fax, 0)
    await scheduled.settle()
    assert (await scheduled.take(None)).id == job.id


@pytest.mark.parametrize("due", [0, 50_000])
async def test_a_refused_read_is_tried_again_when_it_says(
    scheduled: Scheduling, stored: Stored, due: int
) -> None:
    """Too much else is read: the next moment it may not be."""
    job = stored.job(Lane(None, Priority.critical), turn=None, due=due)
    stored.archive.refuse_read(Unavailable("Too much is read at the moment.", retry_after=7))
    await scheduled.start()
    await scheduled.advance(6.999)
    assert scheduled.depth(None) == 0
    await scheduled.advance(0.001)
    await scheduled.advance(due / 1000)
    assert (await scheduled.take(None)).id == job.id


@pytest.mark.parametrize("error", [RuntimeError("?"), KeyError(), OSError("disk")])
async def test_a_failed_read_is_tried_again(
    scheduled: Scheduling, stored: Stored, error: Exception
) -> None:
    critical = stored.job(Lane(None, Priority.critical))
    low = stored.job()
    stored.archive.refuse_read(error)
    await scheduled.start()
    # Other lanes are looked at all the same.
    assert await scheduled.take() == low
    assert scheduled.depth(None) == 0
    await scheduled.advance(5)
    assert await scheduled.take(None) == critical


@pytest.mark.parametrize("number", [2, 3])
async def test_it_survives_a_read_that_fails_half_way(
    scheduled: Scheduling, stored: Stored, number: int
) -> None:
    """After the waited jobs, after the ready ones; what was queued before stays queued."""
    lane = Lane(None, Priority.critical)
    jobs = [stored.job(lane, turn=None), stored.job(lane)]
    reads = 0
    read = stored.archive.state.read

    async def fail_once() -> None:
        nonlocal reads
        await read()
        reads += 1
        if reads == number:
            raise RuntimeError

    stored.archive.state.read = fail_once  # type: ignore[method-assign]
    await scheduled.start()
    await scheduled.advance(5)
    assert {(await scheduled.take(None)).id for _ in jobs} == {job.id for job in jobs}
    assert scheduled.depth(None) == 0


async def test_a_wake_up_during_a_failing_read_is_not_lost(
    scheduled: Scheduling, stored: Stored, clock: RestingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scheduled.start()
    read = stored.archive.jobs.waited
    failed = False

    async def fail(
        lane: Lane, now: int, after: tuple[int, UUID] | None, limit: int
    ) -> Sequence[ScheduledJob]:
        nonlocal failed
        if lane == LOW and not failed:
            failed = True
            stored.job()
            scheduled.dispatch.wake_up(LOW, clock.now())
            raise Unavailable("no", retry_after=30)
        return await read(lane, now, after, limit)

    monkeypatch.setattr(stored.archive.jobs, "waited", fail)
    scheduled.dispatch.wake_up(LOW, 0)
    await scheduled.settle()
    assert failed
    assert scheduled.depth() == 1


async def test_a_restart_picks_up_unfinished_jobs(
    scheduled: Scheduling, stored: Stored, clock: RestingClock
) -> None:
    jobs = [stored.job(turn=number) for number in range(5)]
    await scheduled.start()
    for _ in range(2):
        await scheduled.finish(await scheduled.take())
    await scheduled.take()  # in flight when the process ends
    await scheduled.stop()
    restarted = Scheduling(stored.archive, Dispatch(("email", "sms"), BOUND), clock)
    await restarted.start()
    assert [await restarted.take() for _ in range(3)] == jobs[2:]
    assert restarted.depth() == 0
    await restarted.stop()


async def test_it_needs_no_writes(scheduled: Scheduling, stored: Stored) -> None:
    """A full disk: what is due can still be sent."""
    stored.archive.refuse_write()
    job = stored.job(turn=None, due=120_000)
    await scheduled.start()
    await scheduled.advance(120)
    assert (await scheduled.take()).id == job.id
    assert stored.archive.writes == []


async def test_a_cancelled_notification_comes_up_at_once(
    scheduled: Scheduling, stored: Stored, clock: RestingClock
) -> None:
    """Its jobs end what is queued, whatever they waited for."""
    job = stored.job(turn=None, due=3_600_000)
    id = job.notification_id
    stored.archive.state.notifications[id] = Notification(
        id, "alert", "", "", {}, (), Priority.low, None, "en", None, None, None, "local",
        NotificationStatus.sending, 0, 0,
    )  # fmt: skip
    await scheduled.start()
    await stored.archive.notifications.cancel(id, Priority.low, clock.now())
    scheduled.dispatch.wake_up(LOW, clock.now())
    await scheduled.settle()
    assert (await scheduled.take()).id == job.id


async def test_it_ends_only_when_it_is_cancelled(scheduled: Scheduling) -> None:
    await scheduled.start()
    assert scheduled.task is not None
    scheduled.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scheduled.task
