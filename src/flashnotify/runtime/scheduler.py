"""Queues what is due in the archive: send times, retries, restarts, lanes that overflowed."""

import asyncio
from collections.abc import Iterable, Set
from uuid import UUID

import structlog

from flashnotify.archive.ports import Jobs
from flashnotify.clock import Clock
from flashnotify.domain import Job, Lane
from flashnotify.errors import Unavailable, stack_of
from flashnotify.queue.dispatch import Dispatch

log = structlog.get_logger(__name__)

# Every lane is looked at this often, in milliseconds, in case a wake-up was lost.
_TICK = 60_000
# Milliseconds until a lane whose jobs could not be read is looked at again.
_RETRY = 5_000
# The longest wait of any retry policy, in milliseconds: beyond it, only the clock can have moved.
_LONGEST = 600_000
# Milliseconds by which clocks are set all the time.
_TOLERANCE = 1000
# Jobs read at once: few enough that decoding them does not hold the event loop.
_SLICE = 200


class Scheduler:
    """Keeps the queues filled with jobs that are due and not in flight."""

    def __init__(self, dispatch: Dispatch, jobs: Jobs, clock: Clock) -> None:
        self._dispatch = dispatch
        self._jobs = jobs
        self._clock = clock
        self._wake = asyncio.Event()
        # When each lane is looked at next: all at the start, to pick up what a crash left behind.
        self._due: dict[Lane, int] = dict.fromkeys(dispatch.lanes(), 0)
        # The latest time seen.
        self._latest = 0
        # From when on a wait is reconsidered, if any is to be.
        self._beyond: int | None = clock.now() + _LONGEST
        dispatch.on_wake_up(self.wake_up)

    def wake_up(self, lane: Lane, at: int) -> None:
        """Look at `lane` when it has something due, at `at`, in milliseconds since the epoch."""
        if at < self._due.get(lane, at + 1):
            self._due[lane] = at
            self._wake.set()

    async def run(self) -> None:
        """Watch the archive for ever. A failed read ends nothing: it is tried again."""
        while True:
            self._wake.clear()
            now = self._clock.now()
            await self._mind_the_clock(now)
            for lane in sorted(self._due, key=lambda lane: -lane.priority):
                if self._due[lane] <= now:
                    await self._look_at(lane)
            wait = min(self._due.values()) - self._clock.now()
            await self._clock.wait(self._wake, max(wait, 0) / 1000)

    async def _mind_the_clock(self, now: int) -> None:
        """Reconsider all waits once the clock was set back, and too long ones at the start.

        A due time that was set by a clock ahead of this one would hold a retry for as long.
        """
        if now < self._latest - _TOLERANCE:
            log.warning("scheduler.clock_set_back", seconds=round((self._latest - now) / 1000))
            self._beyond, self._due = now, dict.fromkeys(self._due, now)
        self._latest = now
        if self._beyond is None:
            return
        try:
            await self._jobs.reconsider(self._beyond, now)
        except Unavailable as error:
            log.warning("scheduler.waits", reason=str(error))
        else:
            self._beyond = None

    async def _look_at(self, lane: Lane) -> None:
        now = self._clock.now()
        # Set before reading: a wake-up that comes meanwhile must not be lost.
        self._due[lane] = now + _TICK
        try:
            with self._dispatch.queue(lane.channel).tracking_done() as done:
                await self._queue_waited(lane, now, done)
                await self._queue_ready(lane, done)
            following = await self._jobs.next_due(lane, now)
        except Unavailable as error:
            log.warning("scheduler.waits", lane=str(lane), reason=str(error))
            self.wake_up(lane, now + error.retry_after * 1000)
        except Exception as error:  # noqa: BLE001  # a failed read must not end the scheduler
            log.error("scheduler.failed", error=type(error).__name__, stack=stack_of(error))
            self.wake_up(lane, now + _RETRY)
        else:
            if following is not None:
                self.wake_up(lane, following)

    async def _queue_waited(self, lane: Lane, now: int, done: Set[UUID]) -> None:
        """Queue the jobs whose time has come: each joins its lane at the lane's current turn."""
        after = None
        while waited := await self._jobs.waited(lane, now, after, _SLICE):
            if not self._put([self._dispatch.in_turn(each.job) for each in waited], done):
                return
            after = waited[-1].due_at, waited[-1].job.id

    async def _queue_ready(self, lane: Lane, done: Set[UUID]) -> None:
        """Queue the jobs that have a turn, until the lane is full."""
        after = None
        while jobs := await self._jobs.ready(lane, after, _SLICE):
            if not self._put(jobs, done):
                return
            after = jobs[-1].place

    def _put(self, jobs: Iterable[Job], done: Set[UUID]) -> bool:
        """Queue jobs until the lane is full; return whether it has room for all."""
        # The read may still show jobs that finished while it ran.
        return all(job.id in done or self._dispatch.put(job) for job in jobs)
