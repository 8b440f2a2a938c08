"""The queue for blocking code: daemon threads drain it, and results return to the loop."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

import structlog

from flashnotify.errors import Unavailable
from flashnotify.queue.base import Lane, QueueClosed
from flashnotify.queue.lanes import Lanes

log = structlog.get_logger(__name__)

Returned = TypeVar("Returned")

_ALL = frozenset(Lane)
_URGENT = frozenset(lane for lane in Lane if lane.urgent)
# What to say to callers that are refused, in seconds.
_RETRY_AFTER = 5


class Call(Generic[Returned]):
    """A blocking call on its way through the queue. All but `carry_out` belongs to the loop."""

    def __init__(self, call: Callable[[], Returned], lane: Lane) -> None:
        self.lane = lane
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Returned] = self.loop.create_future()
        self.timer: asyncio.TimerHandle | None = None
        self._call = call

    def carry_out(self) -> Callable[[], None]:
        """Make the call, in this thread; how to tell the caller what came of it."""
        try:
            returned = self._call()
        except Exception as error:  # noqa: BLE001  # it is the caller's, whatever it is
            return partial(self.fail, error)
        except BaseException as error:  # noqa: BLE001  # SystemExit may not end thread or loop
            return partial(self.fail, RuntimeError(f"the call raised {type(error).__name__}"))
        return partial(self.succeed, returned)

    def succeed(self, returned: Returned) -> None:
        """Hand over the result, if anybody still waits for it."""
        self._over()
        if not self.future.done():
            self.future.set_result(returned)

    def fail(self, error: Exception) -> None:
        """Hand over an error, if anybody still waits."""
        self._over()
        if isinstance(error, StopIteration):
            # A future would turn it into the end of the coroutine that awaits it.
            error = RuntimeError("the call raised StopIteration")
        if not self.future.done():
            self.future.set_exception(error)

    def deliver(self, outcome: Callable[[], None]) -> None:
        """Do `outcome` in the loop, from any thread."""
        try:
            self.loop.call_soon_threadsafe(outcome)
        except RuntimeError:
            # The loop has been closed: nobody waits any more.
            return

    def _over(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


class ThreadPoolQueue:
    """Bounded lanes of blocking calls, drained by at most `size` daemon threads at a time.

    A quarter of the threads, and at least one from two on, is kept for urgent lanes. A call that
    has not ended at its deadline is over for its caller. Its thread cannot be stopped: it counts as
    lost, and another takes its place, up to `spare` times; with `size + spare` lost, calls are
    refused until one comes back. Threads start when there is work, and nothing ever waits for one.
    """

    def __init__(self, size: int, *, spare: int = 32, bound: int = 1000) -> None:
        self._size = size
        self._most = size + spare
        self._bulk = size - (max(1, size // 4) if size > 1 else 0)
        # Guards all below; held for moments only, by the loop too.
        self._changed = threading.Condition()
        self._lanes: Lanes[Call[Any]] = Lanes(bound)
        self._in_hand: set[Call[Any]] = set()
        self._working = 0
        # Threads that take a call next: new ones, those that wait, those that have just ended one.
        self._coming = 0
        self._lost = 0
        self._closed = False
        self._numbers = itertools.count(1)

    @property
    def busy(self) -> int:
        """How many threads carry out a call that is within its deadline."""
        return len(self._in_hand)

    @property
    def lost(self) -> int:
        """How many threads are held by a call past its deadline."""
        return self._lost

    @property
    def state(self) -> str:
        """`ok`, or how many threads are lost."""
        if not self._lost:
            return "ok"
        return "all lost" if self._exhausted else f"{self._lost} lost"

    async def run(
        self, call: Callable[[], Returned], *, within: float, lane: Lane = Lane.medium
    ) -> Returned:
        """What `call` returns. If the caller is cancelled, a call that has begun goes on.

        Raises:
            TimeoutError: it began, and has not ended `within` seconds from now.
            Unavailable: it never began: no thread became free, the lane is full, or the queue is
                closed.
        """
        item = Call(call, lane)
        if not self.put(item, lane):
            raise Unavailable(self._obstacle(), retry_after=_RETRY_AFTER)
        item.timer = item.loop.call_later(within, self._expire, item, within)
        try:
            return await item.future
        except asyncio.CancelledError:
            if self._withdraw(item):
                item.timer.cancel()
            raise

    def put(self, item: Call[Any], lane: Lane) -> bool:
        """Queue a call; false if the lane is full, the queue closed, or every thread lost."""
        with self._changed:
            if self._closed or self._exhausted or not self._lanes.put(item, lane):
                return False
            self._staff()
            self._changed.notify()
        return True

    def get(self) -> Call[Any]:
        """Take the next call in hand. For threads: it waits for one.

        Raises:
            QueueClosed: the queue is closed.
        """
        with self._changed:
            while not self._closed:
                bulk = sum(not call.lane.urgent for call in self._in_hand)
                found = self._lanes.take(_ALL if bulk < self._bulk else _URGENT)
                if found is not None:
                    self._in_hand.add(found[0])
                    self._coming -= 1
                    return found[0]
                self._changed.wait()
        raise QueueClosed

    def done(self, item: Call[Any]) -> bool:
        """Let go of a call in hand; false if its thread, lost meanwhile, is not needed any more."""
        with self._changed:
            if item in self._in_hand:
                self._in_hand.discard(item)
            else:
                self._lost -= 1
                if self._working >= self._size:
                    return False
                self._working += 1
            self._coming += 1
        return True

    def depth(self) -> Mapping[Lane, int]:
        """How many calls wait in each lane."""
        with self._changed:
            return self._lanes.depth()

    def close(self) -> None:
        """Refuse new calls and those that wait; results of those in hand are still delivered."""
        with self._changed:
            self._closed = True
            while found := self._lanes.take(_ALL):
                call = found[0]
                error = Unavailable(self._obstacle(), retry_after=_RETRY_AFTER)
                call.deliver(partial(call.fail, error))
            self._changed.notify_all()

    @property
    def _exhausted(self) -> bool:
        return self._lost >= self._most

    def _obstacle(self) -> str:
        if self._closed:
            return "The service is stopping."
        if self._exhausted:
            return (
                f"All {self._most} threads are held by calls that do not end. Restart the service."
            )
        return "Too many blocking calls wait for a thread."

    def _withdraw(self, item: Call[Any]) -> bool:
        with self._changed:
            return self._lanes.discard(item, item.lane)

    def _expire(self, item: Call[Any], within: float) -> None:
        """The deadline of `item`. In the loop."""
        if self._withdraw(item):
            reason = f"No thread became free within {within:g} s."
            item.fail(Unavailable(reason, retry_after=_RETRY_AFTER))
        elif self._lose(item):
            item.fail(TimeoutError(f"the call has not ended within {within:g} s"))

    def _lose(self, item: Call[Any]) -> bool:
        """Count the thread of `item` as lost; false if the call has ended just now."""
        with self._changed:
            if item not in self._in_hand:
                return False
            self._in_hand.discard(item)
            self._working -= 1
            self._lost += 1
            self._staff()
            # There may be room for bulk again, which an idle thread waits to take.
            self._changed.notify()
        log.warning("threads.lost", lost=self._lost, most=self._most)
        return True

    def _staff(self) -> None:
        """Start a thread, if there is work that none will take."""
        if len(self._lanes) <= self._coming or self._working >= self._size:
            return
        if self._working + self._lost >= self._most:
            return
        name = f"blocking-{next(self._numbers)}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError as error:
            # The system has no more: those there are go on, and deadlines still hold.
            log.error("threads.not_started", error=str(error))
        else:
            self._working += 1
            self._coming += 1

    def _work(self) -> None:
        needed = True
        while needed:
            try:
                item = self.get()
            except QueueClosed:
                return
            outcome = item.carry_out()
            # Before the caller hears: what it sees then is true of the queue too.
            needed = self.done(item)
            item.deliver(outcome)
