"""The queue for blocking code: daemon threads drain it and hand results to the event loop."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import structlog

from flashnotify.domain import Priority
from flashnotify.errors import Unavailable
from flashnotify.queue.lanes import Lanes

log = structlog.get_logger(__name__)

Returned = TypeVar("Returned")

_ALL = frozenset(Priority)
_URGENT = frozenset(lane for lane in Priority if lane.urgent)
# The `retry_after`, in seconds, for refused callers.
_RETRY_AFTER = 5


@dataclass(eq=False, slots=True)
class _Call:
    """A blocking call in the queue. Only `make` and `deliver` may be called from a thread."""

    function: Callable[[], Any]
    lane: Priority
    future: asyncio.Future[Any]
    timer: asyncio.TimerHandle | None = None
    # The calls of a lane are made in the order of their numbers.
    number: int = field(default_factory=itertools.count().__next__)

    def make(self) -> Callable[[], None]:
        """Make the call in this thread, and return a function that hands the outcome over."""
        try:
            return partial(self.settle, self.future.set_result, self.function())
        except BaseException as error:  # noqa: BLE001  # any error belongs to the caller
            if isinstance(error, StopIteration) or not isinstance(error, Exception):
                # A future cannot raise StopIteration; SystemExit must not end thread or loop.
                error = RuntimeError(f"the call raised {type(error).__name__}")
            return partial(self.fail, error)

    def fail(self, error: BaseException) -> None:
        self.settle(self.future.set_exception, error)

    def settle(self, hand_over: Callable[[Any], None], outcome: Any) -> None:
        """Hand over an outcome if the caller still waits."""
        if self.timer is not None:
            self.timer.cancel()
        if not self.future.done():
            hand_over(outcome)

    def deliver(self, callback: Callable[[], None]) -> None:
        """Run `callback` in the event loop, from any thread."""
        # A closed loop raises RuntimeError: nobody waits any more.
        with suppress(RuntimeError):
            self.future.get_loop().call_soon_threadsafe(callback)


class ThreadPoolQueue:
    """Bounded lanes of blocking calls, drained by at most `size` daemon threads at a time.

    A quarter of the threads is reserved for urgent lanes: at least one if there are two or more. At
    its deadline a call times out for its caller. Its thread cannot be stopped: it counts as lost
    and is replaced, up to `spare` times. With `size + spare` lost, calls are refused until one
    returns. Threads start when there is work, and exit waits for none.
    """

    def __init__(self, size: int, *, spare: int = 32, bound: int = 1000) -> None:
        self._size = size
        self._limit = size + spare
        self._bulk_limit = size - (max(1, size // 4) if size > 1 else 0)
        # Guards everything below. Held only briefly, since the event loop takes it too.
        self._changed = threading.Condition()
        self._lanes: Lanes[_Call] = Lanes(bound, key=lambda call: call.number)
        self._in_flight: set[_Call] = set()
        self._active = 0
        # Threads about to take a call: new, idle or just done with one.
        self._ready = 0
        self._lost = 0
        self._closed = False
        self._thread_numbers = itertools.count(1)

    @property
    def busy(self) -> int:
        """The number of threads in a call that is within its deadline."""
        return len(self._in_flight)

    @property
    def lost(self) -> int:
        """The number of threads held by a call past its deadline."""
        return self._lost

    @property
    def state(self) -> str:
        """`ok`, or the number of lost threads."""
        if not self._lost:
            return "ok"
        return "all lost" if self._exhausted else f"{self._lost} lost"

    async def run(
        self, call: Callable[[], Returned], *, within: float, lane: Priority = Priority.medium
    ) -> Returned:
        """Run `call` in a thread and return its result.

        If the caller is cancelled, a call that has begun continues.

        Raises:
            TimeoutError: the call began but has not ended after `within` seconds.
            Unavailable: the call never began: no thread became free, the lane is full, or the
                queue is closed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Returned] = loop.create_future()
        item = _Call(call, lane, future)
        with self._changed:
            if self._closed or self._exhausted or not self._lanes.put(item, lane):
                raise self._refusal()
            self._start_thread()
            self._changed.notify()
        item.timer = loop.call_later(within, self._expire, item, within)
        try:
            return await future
        except asyncio.CancelledError:
            with self._changed:
                if self._lanes.discard(item, lane):
                    item.timer.cancel()
            raise

    def depth(self) -> Mapping[Priority, int]:
        """Return the number of waiting calls in each lane."""
        with self._changed:
            return self._lanes.depth()

    def close(self) -> None:
        """Refuse new and waiting calls. Calls in flight still deliver their results."""
        with self._changed:
            self._closed = True
            while found := self._lanes.take(_ALL):
                call, _ = found
                call.deliver(partial(call.fail, self._refusal()))
            self._changed.notify_all()

    @property
    def _exhausted(self) -> bool:
        return self._lost >= self._limit

    def _refusal(self) -> Unavailable:
        reason = "Too many blocking calls are waiting for a thread."
        if self._closed:
            reason = "The service is stopping."
        elif self._exhausted:
            held = f"All {self._limit} threads are held by calls that do not end."
            reason = f"{held} Restart the service."
        return Unavailable(reason, retry_after=_RETRY_AFTER)

    def _expire(self, item: _Call, within: float) -> None:
        """Fail a call at its deadline, unless it has just ended. Runs in the event loop."""
        with self._changed:
            if self._lanes.discard(item, item.lane):
                reason = f"No thread became free within {within:g} s."
                item.fail(Unavailable(reason, retry_after=_RETRY_AFTER))
            if item not in self._in_flight:
                return
            self._in_flight.discard(item)
            self._active -= 1
            self._lost += 1
            self._start_thread()
            # There may be room for bulk again: wake an idle thread.
            self._changed.notify()
        log.warning("threads.lost", lost=self._lost, limit=self._limit)
        item.fail(TimeoutError(f"the call did not end within {within:g} s"))

    def _start_thread(self) -> None:
        """Start a thread if there is work that no existing thread will take."""
        if len(self._lanes) <= self._ready or self._active >= self._size:
            return
        if self._active + self._lost >= self._limit:
            return
        name = f"blocking-{next(self._thread_numbers)}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError as error:
            # The system allows no more threads. The others continue, and deadlines still hold.
            log.error("threads.not_started", error=str(error))
        else:
            self._active += 1
            self._ready += 1

    def _work(self) -> None:
        needed = True
        while needed and (item := self._take()):
            hand_over = item.make()
            # First, so that the caller finds the queue's numbers up to date.
            needed = self._done(item)
            item.deliver(hand_over)

    def _take(self) -> _Call | None:
        """Wait for the next call and take it; return None once the queue is closed."""
        with self._changed:
            while not self._closed:
                bulk = sum(not call.lane.urgent for call in self._in_flight)
                if found := self._lanes.take(_ALL if bulk < self._bulk_limit else _URGENT):
                    self._in_flight.add(found[0])
                    self._ready -= 1
                    return found[0]
                self._changed.wait()
        return None

    def _done(self, item: _Call) -> bool:
        """Mark a call as done; return False if its thread was lost and has been replaced."""
        with self._changed:
            if item in self._in_flight:
                self._in_flight.discard(item)
            else:
                self._lost -= 1
                if self._active >= self._size:
                    return False
                self._active += 1
            self._ready += 1
        return True
