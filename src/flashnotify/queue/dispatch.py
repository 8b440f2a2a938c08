"""One queue per channel, so that no channel waits for another, and one for fan-outs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

from flashnotify.domain import Job, Lane, Priority
from flashnotify.queue.async_queue import AsyncQueue


class Dispatch:
    """Routes jobs to the queue of their channel, and tells the scheduler what is due later.

    Batches of channels that are not declared (any more) go to the queue of the fan-outs, where
    they end as skipped. `queues` holds the queues by channel; None is the fan-outs'. `bound` is the
    number of jobs that each lane holds in memory.
    """

    def __init__(self, channels: Iterable[str], bound: int) -> None:
        self.queues: Mapping[str | None, AsyncQueue] = {
            channel: AsyncQueue(bound, partial(self._refill, channel))
            for channel in (None, *channels)
        }
        self._wake_up: Callable[[Lane, int], None] | None = None

    def on_wake_up(self, call: Callable[[Lane, int], None]) -> None:
        """Call `call` with a lane and the time (ms since the epoch) when it has work due."""
        self._wake_up = call

    def queue(self, channel: str | None) -> AsyncQueue:
        """Return the queue that serves a channel, or the fan-outs."""
        return self.queues.get(channel) or self.queues[None]

    def put(self, job: Job) -> bool:
        """Queue a job that is on disk; return false if its lane is full."""
        return self.queue(job.channel).put(job, job.priority)

    def in_turn(self, job: Job, after: Job | None = None) -> Job:
        """Return `job` with the turn that it gets if it joins its lane now.

        `after` is the batch before it, of the same notification: however far the lane has come
        meanwhile, the turn of `job` is the next one, and never one that the lane has passed.
        """
        turn = self.queue(job.channel).turn(job.priority)
        if after is None or after.turn is None:
            return replace(job, turn=turn + job.ordinal)
        return replace(job, turn=max(turn, after.turn + 1))

    def wake_up(self, lane: Lane, at: int) -> None:
        """Have the scheduler look at a lane at `at`, in milliseconds since the epoch."""
        if self._wake_up is not None:
            self._wake_up(lane, at)

    def lanes(self) -> list[Lane]:
        """Return every lane, the most urgent first."""
        return [
            Lane(channel, priority)
            for priority in sorted(Priority, reverse=True)
            for channel in self.queues
        ]

    def close(self) -> None:
        """Give out nothing more."""
        for queue in self.queues.values():
            queue.close()

    def _refill(self, channel: str | None, priority: Priority) -> None:
        self.wake_up(Lane(channel, priority), 0)
