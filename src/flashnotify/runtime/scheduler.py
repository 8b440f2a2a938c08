"""What is due in the archive → the queue: send times, retries, restarts, lanes that were full."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from flashnotify.archive.reads.reader import Reader
from flashnotify.clock import Clock
from flashnotify.domain import Job, Priority
from flashnotify.errors import Unavailable
from flashnotify.queue.async_queue import AsyncQueue
from flashnotify.runtime.maintenance import Retention

log = structlog.get_logger(__name__)

# Times are in milliseconds. Looked at this often whatever happens, in case a notice went missing.
_TICK = 60_000


class Scheduler:
    """Keeps the queue filled with what is due and not in hand."""

    def __init__(
        self, queue: AsyncQueue[Job], reader: Reader, retention: Retention, clock: Clock
    ) -> None:
        self._queue = queue
        self._reader = reader
        self._retention = retention
        self._clock = clock
        self._wake = asyncio.Event()
        # When each lane is to be looked at next. All at once at the start: what a crash left.
        self._due: dict[Priority, int] = dict.fromkeys(Priority, 0)
        self._tidy_at = 0

        queue.when_low(self.refill)

    def notice(self, lane: Priority, due: int) -> None:
        """Something of `lane` is due at `due`, in milliseconds since the epoch."""
        if due < self._due[lane]:
            self._due[lane] = due
            self._wake.set()

    def refill(self, lane: Priority) -> None:
        """The lane has room again, and there is more on disk."""
        self.notice(lane, self._clock.now())

    async def run(self) -> None:
        """Watch the archive for ever."""
        while True:
            self._wake.clear()
            for lane in sorted(Priority, reverse=True):
                if self._due[lane] <= self._clock.now():
                    try:
                        await self._fill(lane)
                    except Unavailable as error:
                        log.warning("scheduler.waits", lane=lane.name, reason=str(error))
                        self._due[lane] = self._clock.now() + error.retry_after * 1000
            await self._tidy()
            wait = min(*self._due.values(), self._tidy_at) - self._clock.now()
            await self._clock.wait(self._wake, max(wait, 0) / 1000)

    async def _fill(self, lane: Priority) -> None:
        now = self._clock.now()
        # Before reading: a notice that comes meanwhile must not be lost.
        self._due[lane] = now + _TICK
        # Those in hand are still in the archive, so they are asked for on top.
        most = self._queue.room(lane) + self._queue.held
        with self._queue.noting_let_go() as let_go:
            jobs = await self._reader.jobs_due(lane, now, most)
            for job in jobs:
                # One that ended during the read is told of as it was before.
                if job.id not in let_go and not self._queue.put(job, lane):
                    break
        if len(jobs) == most:
            self._queue.overflowed(lane)
        following = await self._reader.next_due(lane, now)
        if following is not None:
            self.notice(lane, following)

    async def _tidy(self) -> None:
        """Forget what has been kept long enough, a slice at a time: what is due goes first."""
        if self._clock.now() >= self._tidy_at:
            more = False
            # Not written now (the disk is full), it is at the next tick; the writer logs why.
            with suppress(Unavailable):
                more = await self._retention.forget_some()
            self._tidy_at = self._clock.now() + (0 if more else _TICK)
