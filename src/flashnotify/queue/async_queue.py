"""The queue for coroutines: pure asyncio, all in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Generic
from uuid import UUID

from flashnotify.queue.base import Lane, QueueClosed, T
from flashnotify.queue.lanes import WEIGHTS, Lanes

__all__ = ["WEIGHTS", "AsyncQueue"]


class AsyncQueue(Generic[T]):
    """`Lanes` that coroutines wait for. Each lane holds at most `bound` items."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._lanes: Lanes[T] = Lanes(bound)
        self._refill: Callable[[Lane], None] | None = None
        self._overflowed: set[Lane] = set()
        self._held: set[UUID] = set()
        self._let_go: set[UUID] | None = None
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
        return self._lanes.room(lane)

    def put(self, item: T, lane: Lane) -> bool:
        """Queue `item`; false if the lane is full. True if it is queued or in hand already."""
        if item.id in self._held:
            return True
        if self._closed or not self._lanes.put(item, lane):
            self.overflowed(lane)
            return False
        self._held.add(item.id)
        self._wake(lane)
        return True

    def has_overflowed(self, lane: Lane) -> bool:
        """Whether more of the lane is on disk."""
        return lane in self._overflowed

    def overflowed(self, lane: Lane) -> None:
        """Remember that more of this lane is on disk, to ask for it once there is room."""
        self._overflowed.add(lane)

    async def get(self, lanes: frozenset[Lane]) -> T:
        """Take the next item of `lanes` in hand.

        Raises:
            QueueClosed: the queue is closed.
        """
        while not self._closed:
            found = self._lanes.take(lanes)
            if found is not None:
                item, lane = found
                # Whoever was woken for another lane may be the one who took this item instead.
                self._wake_for_all()
                self._refill_if_low(lane)
                return item
            await self._work(lanes)
        raise QueueClosed

    def done(self, item: T) -> None:
        """Let go of an item in hand: its id may be queued again."""
        self._held.discard(item.id)
        if self._let_go is not None:
            self._let_go.add(item.id)

    @contextmanager
    def noting_let_go(self) -> Iterator[Set[UUID]]:
        """The ids that are let go of meanwhile: what is read about those meanwhile is stale."""
        self._let_go = set()
        try:
            yield self._let_go
        finally:
            self._let_go = None

    def depth(self) -> Mapping[Lane, int]:
        """How many items wait in each lane."""
        return self._lanes.depth()

    def close(self) -> None:
        """Give out nothing more: what waits is on disk too."""
        self._closed = True
        for _, wakened in self._waiting:
            if not wakened.done():
                wakened.set_result(None)

    def _refill_if_low(self, lane: Lane) -> None:
        drained = self._lanes.bound - self._lanes.room(lane) <= self._lanes.bound // 4
        if lane in self._overflowed and drained:
            self._overflowed.discard(lane)
            if self._refill is not None:
                self._refill(lane)

    async def _work(self, lanes: frozenset[Lane]) -> None:
        wakened = asyncio.get_running_loop().create_future()
        entry = (lanes, wakened)
        self._waiting.append(entry)
        try:
            await wakened
        except asyncio.CancelledError:
            if wakened.done() and not wakened.cancelled():
                # Its item is still queued: somebody else should come for it.
                self._wake_for_all()
            raise
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)

    def _wake_for_all(self) -> None:
        for lane, depth in self._lanes.depth().items():
            if depth:
                self._wake(lane)

    def _wake(self, lane: Lane) -> None:
        for index, (lanes, wakened) in enumerate(self._waiting):
            if lane in lanes and not wakened.done():
                del self._waiting[index]
                wakened.set_result(None)
                return
