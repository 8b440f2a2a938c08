"""The queue for coroutines: pure asyncio, all in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Generic
from uuid import UUID

from flashnotify.queue.base import Lane, QueueClosed, T

# How often a lane is served for each time the lowest is, while all have work.
WEIGHTS: Mapping[Lane, int] = {
    Lane.low: 1,
    Lane.medium: 4,
    Lane.high: 16,
    Lane.critical: 64,
}


class AsyncQueue(Generic[T]):
    """Lanes served by stride scheduling: each gets its share, so none ever starves.

    Every lane has a pass that grows by 1 / weight when it is served; the lane with the least pass
    is next, the more urgent one if two are equal. Each lane holds at most `bound` items.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._refill: Callable[[Lane], None] | None = None
        self._lanes: dict[Lane, deque[T]] = {lane: deque() for lane in sorted(Lane, reverse=True)}
        self._passes: dict[Lane, float] = dict.fromkeys(Lane, 0.0)
        self._now = 0.0
        self._overflowed: set[Lane] = set()
        self._held: set[UUID] = set()
        self._waiting: list[tuple[frozenset[Lane], asyncio.Future[None]]] = []
        self._closed = False

    def when_low(self, refill: Callable[[Lane], None]) -> None:
        """Call `refill` with a lane that had overflowed, once it has drained to a quarter."""
        self._refill = refill

    @property
    def held(self) -> int:
        """How many items are queued or in hand."""
        return len(self._held)

    def room(self, lane: Lane) -> int:
        """How many more items the lane takes."""
        return self._bound - len(self._lanes[lane])

    def put(self, item: T, lane: Lane) -> bool:
        """Queue `item`; false if the lane is full. True if it is queued or in hand already."""
        if item.id in self._held:
            return True
        if self.room(lane) <= 0 or self._closed:
            self.overflowed(lane)
            return False
        self._held.add(item.id)
        waiting = self._lanes[lane]
        if not waiting:
            # A lane that was idle must not catch up on what it did not ask for.
            self._passes[lane] = max(self._passes[lane], self._now)
        waiting.append(item)
        self._wake(lane)
        return True

    def overflowed(self, lane: Lane) -> None:
        """Remember that more of this lane is on disk, to ask for it once there is room."""
        self._overflowed.add(lane)

    async def get(self, lanes: frozenset[Lane]) -> T:
        """Take the next item of `lanes` in hand.

        Raises:
            QueueClosed: the queue is closed.
        """
        while not self._closed:
            lane = self._next(lanes)
            if lane is not None:
                return self._serve(lane)
            await self._work(lanes)
        raise QueueClosed

    def done(self, item: T) -> None:
        """Let go of an item in hand: its id may be queued again."""
        self._held.discard(item.id)

    def depth(self) -> Mapping[Lane, int]:
        """How many items wait in each lane."""
        return {lane: len(waiting) for lane, waiting in self._lanes.items()}

    def close(self) -> None:
        """Give out nothing more: what waits is on disk too."""
        self._closed = True
        for _, wakened in self._waiting:
            if not wakened.done():
                wakened.set_result(None)

    def _next(self, lanes: frozenset[Lane]) -> Lane | None:
        # Sorted by urgency, and min() takes the first of equals.
        ready = [lane for lane, waiting in self._lanes.items() if waiting and lane in lanes]
        return min(ready, key=self._passes.__getitem__, default=None)

    def _serve(self, lane: Lane) -> T:
        item = self._lanes[lane].popleft()
        self._now = max(self._now, self._passes[lane])
        self._passes[lane] += 1 / WEIGHTS[lane]
        for other, waiting in self._lanes.items():
            if waiting:
                # Gets of some lanes only leave the others behind: by one turn, not for ever.
                self._passes[other] = max(self._passes[other], self._now - 1 / WEIGHTS[other])
                # Whoever was woken for `other` may be the one who took this item instead.
                self._wake(other)
        if lane in self._overflowed and len(self._lanes[lane]) <= self._bound // 4:
            self._overflowed.discard(lane)
            if self._refill is not None:
                self._refill(lane)
        return item

    async def _work(self, lanes: frozenset[Lane]) -> None:
        wakened = asyncio.get_running_loop().create_future()
        entry = (lanes, wakened)
        self._waiting.append(entry)
        try:
            await wakened
        except asyncio.CancelledError:
            if wakened.done() and not wakened.cancelled():
                # Its item is still queued: somebody else should come for it.
                for lane, waiting in self._lanes.items():
                    if waiting:
                        self._wake(lane)
            raise
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)

    def _wake(self, lane: Lane) -> None:
        for index, (lanes, wakened) in enumerate(self._waiting):
            if lane in lanes and not wakened.done():
                del self._waiting[index]
                wakened.set_result(None)
                return
