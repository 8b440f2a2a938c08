"""The queue for coroutines: pure asyncio, all in memory."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from uuid import UUID

from flashnotify.domain import Job, Priority
from flashnotify.queue.base import QueueClosed
from flashnotify.queue.lanes import Lanes


class AsyncQueue:
    """`Lanes` that coroutines wait for, in the order of (turn, id).

    A full lane keeps its first jobs. The others are on disk only, so that nothing that comes after
    them is queued before them; `on_low` is called with the lane once it has drained to a quarter.
    """

    def __init__(self, bound: int, on_low: Callable[[Priority], None]) -> None:
        self.bound = bound
        self._lanes: Lanes[Job] = Lanes(bound, key=lambda job: job.place)
        self._on_low = on_low
        # The place of the first job of a lane that is on disk only.
        self._overflow: dict[Priority, tuple[int, UUID]] = {}
        self._held: dict[UUID, Priority] = {}
        self._held_by_lane: Counter[Priority] = Counter()
        self._turns: dict[Priority, int] = dict.fromkeys(Priority, 0)
        self._done_meanwhile: list[set[UUID]] = []
        # Set when there may be something for those who wait: new jobs, or the end.
        self._news = asyncio.Event()
        self._closed = False

    def turn(self, lane: Priority) -> int:
        """Return the turn that a lane has come to: where a new notification joins it."""
        return self._turns[lane]

    def in_flight(self, lane: Priority) -> int:
        """Return the number of jobs of a lane that were taken and are not done."""
        return self._held_by_lane[lane] - self._lanes.depth()[lane]

    def put(self, job: Job, lane: Priority) -> bool:
        """Queue `job`; return false if the lane is full, true if it is queued or in flight.

        A full lane gives up its last job for one that comes before it.
        """
        if job.id in self._held:
            return True
        if self._closed or (lane in self._overflow and job.place >= self._overflow[lane]):
            return False
        if not self._lanes.put(job, lane):
            displaced = self._lanes.displace(job, lane)
            self._overflow[lane] = (displaced or job).place
            if displaced is None:
                return False
            self._release(displaced)
        self._held[job.id] = lane
        self._held_by_lane[lane] += 1
        self._news.set()
        return True

    def has_overflowed(self, lane: Priority) -> bool:
        """Return whether more of the lane is on disk."""
        return lane in self._overflow

    async def get(self, lanes: frozenset[Priority]) -> Job:
        """Take the next job of `lanes`, in flight from now on, or raise `QueueClosed`."""
        while not self._closed:
            found = self._lanes.take(lanes)
            if found is not None:
                job, lane = found
                self._turns[lane] = max(self._turns[lane], job.place[0])
                if lane in self._overflow and self._lanes.depth()[lane] <= self.bound // 4:
                    del self._overflow[lane]
                    self._on_low(lane)
                return job
            self._news.clear()
            await self._news.wait()
        raise QueueClosed

    def done(self, job: Job) -> None:
        """Release a job in flight: it may be queued again."""
        self._release(job)
        for done in self._done_meanwhile:
            done.add(job.id)

    @contextmanager
    def tracking_done(self) -> Iterator[Set[UUID]]:
        """Collect the ids of jobs finished meanwhile, which a read of the archive may show."""
        done: set[UUID] = set()
        self._done_meanwhile.append(done)
        try:
            yield done
        finally:
            self._done_meanwhile.remove(done)

    def depth(self) -> Mapping[Priority, int]:
        """Return the number of jobs that wait in each lane."""
        return self._lanes.depth()

    def close(self) -> None:
        """Give out nothing more: what waits is on disk too."""
        self._closed = True
        self._news.set()

    def _release(self, job: Job) -> None:
        lane = self._held.pop(job.id, None)
        if lane is not None:
            self._held_by_lane[lane] -= 1
