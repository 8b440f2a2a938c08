"""The queue for blocking code: daemon threads drain it and hand results to the event loop."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

import structlog

from flashnotify.domain import Priority
from flashnotify.errors import Unavailable
from flashnotify.queue.base import QueueClosed
from flashnotify.queue.lanes import Lanes

log = structlog.get_logger(__name__)

Returned = TypeVar("Returned")

_ALL = frozenset(Priority)
_URGENT = frozenset(lane for lane in Priority if lane.urgent)
# The calls of a lane run in the order of their numbers.
_NUMBERS = itertools.count()
# The `retry_after`, in seconds, for refused callers.
_RETRY_AFTER = 5


class Call(Generic[Returned]):
    """A blocking call in the queue. Only `run` and `deliver` may be called from a thread."""

    def __init__(self, call: Callable[[], Returned], lane: Priority) -> None:
        self.lane = lane
        self.number = next(_NUMBERS)
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Returned] = self.loop.create_future()
        self.timer: asyncio.TimerHandle | None = None
        self._call = call

    def run(self) -> Callable[[], None]:
        """Run the call in this thread, and return a function that hands the result over."""
        try:
            returned = self._call()
        except Exception as error:  # noqa: BLE001  # any error belongs to the caller
            return partial(self.fail, error)
        except BaseException as error:  # noqa: BLE001  # SystemExit must not end thread or loop
            return partial(self.fail, RuntimeError(f"the call raised {type(error).__name__}"))
        return partial(self.succeed, returned)

    def succeed(self, returned: Returned) -> None:
        """Hand over the result if the caller still waits."""
        self._stop_timer()
        if not self.future.done():
            self.future.set_result(returned)

    def fail(self, error: Exception) -> None:
        """Hand over an error if the caller still waits."""
        self._stop_timer()
        if isinstance(error, StopIteration):
            # StopIteration cannot be raised into a future.
            error = RuntimeError("the call raised StopIteration")
        if not self.future.done():
            self.future.set_exception(error)

    def deliver(self, callback: Callable[[], None]) -> None:
        """Run `callback` in the event loop, from any thread."""
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return

    def _stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


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
        self._lanes: Lanes[Call[Any]] = Lanes(bound, key=lambda call: call.number)
        self._in_flight: set[Call[Any]] = set()
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
        item = Call(call, lane)
        if not self.put(item, lane):
            raise Unavailable(self._refusal(), retry_after=_RETRY_AFTER)
        item.timer = item.loop.call_later(within, self._expire, item, within)
        try:
            return await item.future
        except asyncio.CancelledError:
            if self._withdraw(item):
                item.timer.cancel()
            raise

    def put(self, item: Call[Any], lane: Priority) -> bool:
        """Queue a call; return False if the lane is full, the queue closed or every thread lost."""
        with self._changed:
            if self._closed or self._exhausted or not self._lanes.put(item, lane):
                return False
            self._start_thread()
            self._changed.notify()
        return True

    def get(self) -> Call[Any]:
        """Wait for the next call and take it, in a thread, or raise `QueueClosed`."""
        with self._changed:
            while not self._closed:
                bulk = sum(not call.lane.urgent for call in self._in_flight)
                found = self._lanes.take(_ALL if bulk < self._bulk_limit else _URGENT)
                if found is not None:
                    self._in_flight.add(found[0])
                    self._ready -= 1
                    return found[0]
                self._changed.wait()
        raise QueueClosed

    def done(self, item: Call[Any]) -> bool:
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

    def depth(self) -> Mapping[Priority, int]:
        """Return the number of waiting calls in each lane."""
        with self._changed:
            return self._lanes.depth()

    def close(self) -> None:
        """Refuse new and waiting calls. Calls in flight still deliver their results."""
        with self._changed:
            self._closed = True
            while found := self._lanes.take(_ALL):
                call = found[0]
                error = Unavailable(self._refusal(), retry_after=_RETRY_AFTER)
                call.deliver(partial(call.fail, error))
            self._changed.notify_all()

    @property
    def _exhausted(self) -> bool:
        return self._lost >= self._limit

    def _refusal(self) -> str:
        if self._closed:
            return "The service is stopping."
        if self._exhausted:
            return (
                f"All {self._limit} threads are held by calls that do not end. Restart the service."
            )
        return "Too many blocking calls are waiting for a thread."

    def _withdraw(self, item: Call[Any]) -> bool:
        with self._changed:
            return self._lanes.discard(item, item.lane)

    def _expire(self, item: Call[Any], within: float) -> None:
        """Fail a call at its deadline. Runs in the event loop."""
        if self._withdraw(item):
            reason = f"No thread became free within {within:g} s."
            item.fail(Unavailable(reason, retry_after=_RETRY_AFTER))
        elif self._lose(item):
            item.fail(TimeoutError(f"the call did not end within {within:g} s"))

    def _lose(self, item: Call[Any]) -> bool:
        """Count the thread of `item` as lost; return False if the call has just ended."""
        with self._changed:
            if item not in self._in_flight:
                return False
            self._in_flight.discard(item)
            self._active -= 1
            self._lost += 1
            self._start_thread()
            # There may be room for bulk again: wake an idle thread.
            self._changed.notify()
        log.warning("threads.lost", lost=self._lost, limit=self._limit)
        return True

    def _start_thread(self) -> None:
        """Start a thread if there is work that no other will take."""
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
        while needed:
            try:
                item = self.get()
            except QueueClosed:
                return
            hand_over = item.run()
            # First, so that the caller finds the queue's numbers up to date.
            needed = self.done(item)
            item.deliver(hand_over)
