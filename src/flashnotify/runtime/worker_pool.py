"""The pool of tasks that carry out the jobs of one queue."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

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
# Workers of a pool that may wait for the disk while others take their places.
_MAX_REPLACED = 64


@dataclass(eq=False, slots=True)
class WorkerPool:
    """Runs `size` workers, a quarter of which (at least one of two) only take urgent jobs.

    `execute` carries out a job and returns when it is due again, in milliseconds since the epoch.
    `wake_up` is called with that time once the job is released. A job that has only a few results
    to write calls its second argument: another worker then takes the next job, so that commits are
    shared by more jobs than there are workers.
    """

    size: int
    queue: Queue
    execute: Callable[[Job, Callable[[], None]], Awaitable[int | None]]
    wake_up: Callable[[Lane, int], None]
    in_flight: InFlight
    clock: Clock
    _workers: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    # Done once no worker is left, or one has failed.
    _over: asyncio.Future[None] = field(init=False)

    async def run(self) -> None:
        """Work until the queue is closed and what is in flight is done."""
        reserved = max(1, self.size // 4) if self.size > 1 else 0
        pool = asyncio.current_task()
        assert pool is not None
        self._over = asyncio.get_running_loop().create_future()
        for number in range(self.size):
            lanes = _URGENT if number < reserved else _ALL
            self._start(lanes, f"{pool.get_name()} {number}")
        try:
            await self._over
        finally:
            workers = list(self._workers)
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def _start(self, lanes: frozenset[Priority], name: str) -> None:
        worker = asyncio.create_task(self._work(lanes, name), name=name)
        self._workers.add(worker)
        worker.add_done_callback(self._ended)

    def _ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if self._over.done():
            return
        if worker.cancelled():
            self._over.set_exception(RuntimeError(f"{worker.get_name()} was cancelled"))
        elif (error := worker.exception()) is not None:
            self._over.set_exception(error)
        elif not self._workers:
            self._over.set_result(None)

    async def _work(self, lanes: frozenset[Priority], name: str) -> None:
        """Carry out jobs until another worker takes this one's place, or the queue is closed."""
        replaced = False

        def replace() -> None:
            nonlocal replaced
            if not replaced and len(self._workers) < self.size + _MAX_REPLACED:
                replaced = True
                self._start(lanes, name)

        while not replaced:
            try:
                job = await self.queue.get(lanes)
            except QueueClosed:
                return
            try:
                with self.in_flight.job(job):
                    due = await self._carry_out(job, replace)
            finally:
                self.queue.done(job)
            if due is not None:
                self.wake_up(job.lane, due)

    async def _carry_out(self, job: Job, replace: Callable[[], None]) -> int | None:
        try:
            return await self.execute(job, replace)
        except Exception as error:  # noqa: BLE001  # no job may end a worker
            # The job is still on disk, and comes up again.
            if isinstance(error, Unavailable):
                log.warning("worker.waits", job=str(job.id), reason=str(error))
            else:
                name, stack = type(error).__name__, stack_of(error)
                log.error("worker.job_failed", job=str(job.id), error=name, stack=stack)
            await self.clock.sleep(_REST)
            return self.clock.now()
