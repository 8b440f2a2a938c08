"""The pool of tasks that carry out jobs: its life and its drain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from flashnotify.clock import Clock
from flashnotify.delivery.executor import Delivery
from flashnotify.delivery.fan_out import Expansion
from flashnotify.delivery.in_flight import Claims
from flashnotify.domain import Job, Priority
from flashnotify.errors import Unavailable, stack_of
from flashnotify.queue.base import Queue, QueueClosed

log = structlog.get_logger(__name__)

_ALL = frozenset(Priority)
_URGENT = frozenset(priority for priority in Priority if priority.urgent)


class WorkerPool:
    """Runs `size` workers, a quarter of which (at least one, from two on) only take urgent jobs.

    `notice` is told when a job is due again, in milliseconds since the epoch.
    """

    def __init__(
        self,
        size: int,
        queue: Queue[Job],
        expansion: Expansion,
        delivery: Delivery,
        claims: Claims,
        notice: Callable[[Priority, int], None],
        clock: Clock,
    ) -> None:
        self._size = size
        self._queue = queue
        self._expansion = expansion
        self._delivery = delivery
        self._claims = claims
        self._notice = notice
        self._clock = clock

    async def run(self) -> None:
        """Work until the queue is closed and what is in hand is done."""
        reserved = max(1, self._size // 4) if self._size > 1 else 0
        workers = {
            asyncio.create_task(
                self._work(_URGENT if number < reserved else _ALL), name=f"worker-{number}"
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
                with self._claims.job(job):
                    due = await self._carry_out(job)
            finally:
                self._queue.done(job)
            if due is not None:
                self._notice(job.priority, due)

    async def _carry_out(self, job: Job) -> int | None:
        """Do the job; when it is due again, if it is. An exception is an outcome of the job."""
        try:
            if job.channel is None:
                return await self._expansion.expand(job, self._enqueue)
            return await self._delivery.deliver(job)
        except Exception as error:  # noqa: BLE001  # no job may end a worker
            return await self._fail(job, error)

    async def _fail(self, job: Job, error: Exception) -> int | None:
        stage = self._expansion if job.channel is None else self._delivery
        try:
            if isinstance(error, Unavailable):
                raise error
            log.error(
                "worker.job_failed",
                job=str(job.id),
                notification=str(job.notification_id),
                error=type(error).__name__,
                stack=stack_of(error),
            )
            return await stage.fail(job, error)
        except Exception as second:  # noqa: BLE001  # as above
            # The job is still on disk. A moment's rest keeps a lasting fault from spinning.
            log.error("worker.outcome_not_written", job=str(job.id), error=type(second).__name__)
            await self._clock.sleep(1.0)
            return self._clock.now()

    def _enqueue(self, job: Job) -> None:
        self._queue.put(job, job.priority)
