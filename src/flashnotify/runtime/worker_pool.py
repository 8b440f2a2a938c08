"""The pool of tasks that carry out the jobs of one queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

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


class WorkerPool:
    """Runs `size` workers, a quarter of which (at least one, from two on) only take urgent jobs.

    `execute` carries out a job and returns when it is due again, in milliseconds since the epoch.
    `wake_up` is called with that time once the job is released.
    """

    def __init__(
        self,
        size: int,
        queue: Queue[Job],
        execute: Callable[[Job], Awaitable[int | None]],
        wake_up: Callable[[Lane, int], None],
        in_flight: InFlight,
        clock: Clock,
    ) -> None:
        self._size = size
        self._queue = queue
        self._execute = execute
        self._wake_up = wake_up
        self._in_flight = in_flight
        self._clock = clock

    async def run(self) -> None:
        """Work until the queue is closed and what is in flight is done."""
        reserved = max(1, self._size // 4) if self._size > 1 else 0
        pool = asyncio.current_task()
        assert pool is not None
        workers = {
            asyncio.create_task(
                self._work(_URGENT if number < reserved else _ALL),
                name=f"{pool.get_name()} {number}",
            )
            for number in range(self._size)
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
                job = await self._queue.get(lanes)
            except QueueClosed:
                return
            try:
                with self._in_flight.job(job):
                    due = await self._carry_out(job)
            finally:
                self._queue.done(job)
            if due is not None:
                self._wake_up(job.lane, due)

    async def _carry_out(self, job: Job) -> int | None:
        try:
            return await self._execute(job)
        except Exception as error:  # noqa: BLE001  # no job may end a worker
            # The job is still on disk, and comes up again.
            if isinstance(error, Unavailable):
                log.warning("worker.waits", job=str(job.id), reason=str(error))
            else:
                log.error(
                    "worker.job_failed",
                    job=str(job.id),
                    error=type(error).__name__,
                    stack=stack_of(error),
                )
            await self._clock.sleep(_REST)
            return self._clock.now()
