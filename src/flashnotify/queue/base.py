"""The queue protocol."""

from collections.abc import Mapping
from typing import Protocol

from flashnotify.domain import Job, Priority


class QueueClosed(Exception):
    """The queue is closed: it gives out nothing more."""


class Queue(Protocol):
    """Bounded lanes, one per priority. No job is in it twice, nor queued while in flight.

    `ThreadPoolQueue` is its counterpart for blocking code.
    """

    def put(self, job: Job, lane: Priority) -> bool:
        """Queue `job`; return false if the lane is full, true if it is queued or in flight."""

    async def get(self, lanes: frozenset[Priority]) -> Job:
        """Take the next job of `lanes`, in flight from now on, or raise `QueueClosed`."""

    def done(self, job: Job) -> None:
        """Release a job in flight: it may be queued again."""

    def depth(self) -> Mapping[Priority, int]:
        """Return the number of jobs that wait in each lane."""

    def close(self) -> None:
        """Give out nothing more."""
