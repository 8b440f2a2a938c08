"""A scheduler at work, and a clock that knows when it rests."""

from __future__ import annotations

import asyncio

from flashnotify.domain import Job, Priority
from flashnotify.queue.dispatch import Dispatch
from flashnotify.runtime.scheduler import Scheduler
from tests.support.delivering import Delivering
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive

ALL = frozenset(Priority)


class RestingClock(ManualClock):
    """A manual clock that knows whether its only sleeper is idle."""

    def __init__(self) -> None:
        super().__init__()
        self._waits: tuple[asyncio.Event, int] | None = None

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        assert seconds is not None
        self._waits = event, self.now() + round(seconds * 1000)
        try:
            return await super().wait(event, seconds)
        finally:
            self._waits = None

    @property
    def resting(self) -> bool:
        """Return whether the sleeper waits for an event until a time in the future."""
        return (
            self._waits is not None and not self._waits[0].is_set() and self._waits[1] > self.now()
        )


class Scheduling:
    """A scheduler that keeps the queues of a dispatch filled."""

    def __init__(self, archive: MemoryArchive, dispatch: Dispatch, clock: RestingClock) -> None:
        self.archive = archive
        self.dispatch = dispatch
        self.clock = clock
        self.scheduler = Scheduler(dispatch, archive.jobs, clock)
        self.task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, delivering: Delivering) -> Scheduling:
        """Return a scheduler over the archive and the queues of `delivering`."""
        assert isinstance(delivering.clock, RestingClock)
        return cls(delivering.archive, delivering.dispatch, delivering.clock)

    async def start(self) -> None:
        """Start, and look at every lane once."""
        self.task = asyncio.create_task(self.scheduler.run())
        await self.settle()

    async def stop(self) -> None:
        """Stop."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})

    async def settle(self) -> None:
        """Wait until the scheduler has done everything that it knows of."""
        assert self.task is not None
        await asyncio.sleep(0)
        while not self.clock.resting:
            if self.task.done():
                self.task.result()
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Let time pass, and let the scheduler do the work that is due."""
        await self.clock.advance(seconds)
        await self.settle()

    async def take(self, channel: str | None = "email") -> Job:
        """Take a job, and let the scheduler refill the lane."""
        job = await self.dispatch.queue(channel).get(ALL)
        await self.settle()
        return job

    async def finish(self, job: Job) -> None:
        """Finish a job that was taken."""
        await self.archive.jobs.finish(job)
        self.dispatch.queue(job.channel).done(job)

    def depth(self, channel: str | None = "email") -> int:
        """Return the number of jobs that wait for a channel, in memory."""
        return sum(self.dispatch.queue(channel).depth().values())
