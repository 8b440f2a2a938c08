"""The tasks that carry out the jobs of one queue."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from flashnotify.delivery.in_flight import InFlight
from flashnotify.domain import Job, Lane, Priority
from flashnotify.errors import Unavailable
from flashnotify.queue.async_queue import AsyncQueue
from flashnotify.runtime.worker_pool import WorkerPool
from tests.support.manual_clock import ManualClock

ALL = frozenset(Priority)


async def settle() -> None:
    """Let everything go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)


class Pool:
    """A pool at work. `execute` is what its workers do; jobs that are held wait for `go_on`."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.queue: AsyncQueue = AsyncQueue(100, lambda lane: None)
        self.in_flight = InFlight()
        self.execute: Callable[[Job], Awaitable[int | None]] = self.hold
        self.wake_ups: list[tuple[Lane, int]] = []
        self.replace: list[Callable[[], None]] = []
        self.began: list[Job] = []
        self.ended: list[Job] = []
        self.go_on = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._number = 0

    async def hold(self, job: Job) -> int | None:
        self.began.append(job)
        await self.go_on.wait()
        self.ended.append(job)
        return None

    def _execute(self, job: Job, replace: Callable[[], None]) -> Awaitable[int | None]:
        self.replace.append(replace)
        return self.execute(job)

    def put(self, priority: Priority = Priority.low, number: int = 1) -> list[Job]:
        """Queue jobs."""
        jobs = []
        for _ in range(number):
            self._number += 1
            id = UUID(int=self._number)
            jobs.append(Job(id, id, priority, "email", turn=self._number))
            assert self.queue.put(jobs[-1], priority)
        return jobs

    def start(self, size: int) -> asyncio.Task[None]:
        pool = WorkerPool(
            size,
            self.queue,
            self._execute,
            lambda lane, at: self.wake_ups.append((lane, at)),
            self.in_flight,
            self.clock,
        )
        self.task = asyncio.create_task(pool.run(), name="email")
        return self.task


@pytest.fixture
async def pool(clock: ManualClock) -> AsyncIterator[Pool]:
    pool = Pool(clock)
    yield pool
    if pool.task is not None:
        pool.task.cancel()
        await asyncio.wait({pool.task})


def workers() -> set[asyncio.Task[object]]:
    """Return the tasks of workers."""
    return {task for task in asyncio.all_tasks() if task.get_name().startswith("email ")}


@pytest.mark.parametrize(("size", "reserved"), [(1, 0), (2, 1), (4, 1), (8, 2), (16, 4)])
async def test_a_quarter_is_reserved_for_urgent_jobs(pool: Pool, size: int, reserved: int) -> None:
    pool.put(Priority.medium, 20)
    pool.start(size)
    await settle()
    assert len(pool.began) == size - reserved
    pool.put(Priority.high, 20)
    await settle()
    urgent = [job for job in pool.began if job.priority is Priority.high]
    assert len(urgent) == reserved


async def test_every_worker_takes_urgent_jobs(pool: Pool) -> None:
    pool.put(Priority.critical, 20)
    pool.start(8)
    await settle()
    assert len(pool.began) == 8
    assert len(workers()) == 8


async def test_another_worker_takes_the_place_of_one_that_waits_for_the_disk(pool: Pool) -> None:
    running = pool.start(4)
    pool.put(number=100)
    for _ in range(100):
        await settle()
        for replace in pool.replace:
            replace()
    # 3 for these jobs, 1 for urgent ones, and 64 more; each is replaced once.
    assert len(pool.began) == 3 + 64
    assert len(workers()) == 4 + 64
    pool.queue.close()
    pool.go_on.set()
    await running
    assert len(pool.ended) == 3 + 64
    assert not workers()


async def test_a_worker_that_was_not_replaced_goes_on(pool: Pool) -> None:
    pool.go_on.set()
    pool.start(4)
    await settle()
    before = workers()
    put = pool.put(number=100)
    await settle()
    assert pool.ended == put
    assert workers() == before


async def test_jobs_are_released_when_they_are_done(pool: Pool) -> None:
    (job,) = pool.put()
    pool.start(2)
    await settle()
    assert pool.queue.in_flight(Priority.low) == 1
    # Nor may it be queued a second time meanwhile.
    assert pool.queue.put(job, Priority.low)
    assert pool.queue.depth()[Priority.low] == 0
    assert not pool.in_flight.cancelled(job)
    pool.go_on.set()
    await settle()
    assert pool.queue.in_flight(Priority.low) == 0
    pool.in_flight.cancel(job.notification_id)
    assert not pool.in_flight.cancelled(job), "it is no longer in flight"
    assert pool.wake_ups == []


async def test_the_scheduler_is_woken_only_after_the_job_is_released(pool: Pool) -> None:
    """It reads the archive at once, and must not find the job in flight still."""
    held: list[int] = []

    async def due_later(job: Job) -> int:
        return 77

    pool.execute = due_later
    pool.wake_ups = Recorded(lambda: held.append(pool.queue.in_flight(Priority.low)))
    (job,) = pool.put()
    pool.start(2)
    await settle()
    assert pool.wake_ups == [(job.lane, 77)]
    assert held == [0]


class Recorded(list[tuple[Lane, int]]):
    """A list that does something before something is added."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        self._call = call

    def append(self, item: tuple[Lane, int]) -> None:
        self._call()
        super().append(item)


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (RuntimeError("secret"), "worker.job_failed"),
        (Unavailable("disk full"), "worker.waits"),
        (ExceptionGroup("g", [ValueError()]), "worker.job_failed"),
    ],
)
async def test_a_job_that_fails_rests_and_comes_back(
    pool: Pool, clock: ManualClock, error: Exception, event: str
) -> None:
    async def fail(job: Job) -> None:
        pool.began.append(job)
        raise error

    pool.execute = fail
    (job,) = pool.put()
    with capture_logs() as logs:
        pool.start(1)
        await settle()
    assert [entry["event"] for entry in logs] == [event]
    assert "secret" not in str(logs)
    # It rests, still in flight, so that it does not spin.
    assert pool.queue.in_flight(Priority.low) == 1
    assert pool.wake_ups == []
    await clock.advance(1)
    await settle()
    assert pool.wake_ups == [(job.lane, clock.now())]
    assert pool.queue.put(job, Priority.low)
    await settle()
    assert pool.began == [job, job]
    # The worker goes on.
    assert pool.task is not None
    assert not pool.task.done()


async def test_one_that_rests_holds_up_no_other(pool: Pool) -> None:
    jobs: list[Job] = []

    async def fail_first(job: Job) -> None:
        jobs.append(job)
        if len(jobs) == 1:
            raise RuntimeError

    pool.execute = fail_first
    put = pool.put(number=5)
    pool.start(3)
    await settle()
    assert jobs == put


async def test_closing_lets_jobs_in_flight_finish(pool: Pool) -> None:
    put = pool.put(number=5)
    running = pool.start(4)
    await settle()
    assert len(pool.began) == 3
    pool.queue.close()
    await settle()
    # The idle ones have ended; nothing new is taken.
    assert not running.done()
    pool.go_on.set()
    await running
    assert pool.ended == pool.began == put[:3]


async def test_closing_an_idle_pool_ends_it(pool: Pool) -> None:
    running = pool.start(4)
    await settle()
    pool.queue.close()
    await running
    assert not workers()


async def two_in_flight(pool: Pool) -> asyncio.Task[None]:
    pool.put(number=2)
    running = pool.start(4)
    await settle()
    return running


async def test_a_cancelled_worker_ends_the_pool_with_an_error(pool: Pool) -> None:
    running = await two_in_flight(pool)
    next(iter(workers())).cancel()
    with pytest.raises(RuntimeError, match=r"email \d was cancelled"):
        await running
    # It leaves nothing behind: the supervisor ends the service.
    assert not workers()
    assert pool.queue.in_flight(Priority.low) == 0


async def test_an_error_beside_the_jobs_ends_the_pool(pool: Pool) -> None:
    async def due_later(job: Job) -> int:
        return 1

    def fail() -> None:
        raise ZeroDivisionError

    pool.execute = due_later
    pool.wake_ups = Recorded(fail)
    pool.put()
    running = pool.start(4)
    with pytest.raises(ZeroDivisionError):
        await running
    assert not workers()


async def test_cancelling_the_pool_ends_its_workers(pool: Pool) -> None:
    running = await two_in_flight(pool)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not workers()
    assert pool.queue.in_flight(Priority.low) == 0
