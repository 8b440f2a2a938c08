"""The pool of tasks that carry out the jobs of one queue."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from flashnotify.clock import Clock
from flashnotify.delivery.in_flight import InFlight
from flashnotify.domain import Job, Lane, Priority
from flashnotify.errors import Unavailable, stack_of
from flashnotify.queue.base import Queue, QueueClosed

log = structlog.get_logger(__name__)

_ALL = frozenset(Priority)
_URGENT = frozenset(priority for priority in Priority if priority.urgent)
# Seconds that a worker rests after a failure nobody dealt with, so that it does not spin.
_REST = 1.0


@dataclass(eq=False, slots=True)
class WorkerPool:
    """Runs `size` workers, a quarter of which (at least one of two) only take urgent jobs.

    `execute` carries out a job and returns when it is due again, in milliseconds since the epoch.
    `wake_up` is called with that time once the job is released.
    """

    size: int
    queue: Queue
    execute: Callable[[Job], Awaitable[int | None]]
    wake_up: Callable[[Lane, int], None]
    in_flight: InFlight
    clock: Clock

    async def run(self) -> None:
        """Work until the queue is closed and what is in flight is done."""
        reserved = max(1, self.size // 4) if self.size > 1 else 0
        pool = asyncio.current_task()
        assert pool is not None
        workers = {
            asyncio.create_task(
                self._work(_URGENT if number < reserved else _ALL),
                name=f"{pool.get_name()} {number}",
            )
            for number in range(self.size)
        }
        try:
            while workers:
                ended, workers = await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
                for worker in ended:
                    if worker.cancelled():
                        raise RuntimeError(f"{worker.get_name()} was cancelled")
                    worker.result()
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, lanes: frozenset[Priority]) -> None:
        while True:
            try:
                job = await self.queue.get(lanes)
            except QueueClosed:
                return
            try:
                with self.in_flight.job(job):
                    due = await self._carry_out(job)
            finally:
                self.queue.done(job)
            if due is not None:
                self.wake_up(job.lane, due)

    async def _carry_out(self, job: Job) -> int | None:
        try:
            return await self.execute(job)
        except Exception as error:  # noqa: BLE001  # no job may end a worker
            # The job is still on disk, and comes up again.
            if isinstance(error, Unavailable):
                log.warning("worker.waits", job=str(job.id), reason=str(error))
            else:
                name, stack = type(error).__name__, stack_of(error)
                log.error("worker.job_failed", job=str(job.id), error=name, stack=stack)
            await self.clock.sleep(_REST)
            return self.clock.now()
