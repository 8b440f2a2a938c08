"""Bounded lanes of work, one per priority, and which of them is served next."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Generic, TypeVar

from flashnotify.queue.base import Lane

Item = TypeVar("Item")

# How often a lane is served for each time the lowest is, while all have work.
WEIGHTS: Mapping[Lane, int] = {
    Lane.low: 1,
    Lane.medium: 4,
    Lane.high: 16,
    Lane.critical: 64,
}


class Lanes(Generic[Item]):
    """Lanes served by stride scheduling: each gets its share, so none ever starves.

    Every lane has a pass that grows by 1 / weight when it is served; the lane with the least pass
    is next, the more urgent one if two are equal. Each lane holds at most `bound` items.
    """

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._lanes: dict[Lane, deque[Item]] = {
            lane: deque() for lane in sorted(Lane, reverse=True)
        }
        self._passes: dict[Lane, float] = dict.fromkeys(Lane, 0.0)
        self._now = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def room(self, lane: Lane) -> int:
        """How many more items the lane takes."""
        return self.bound - len(self._lanes[lane])

    def put(self, item: Item, lane: Lane) -> bool:
        """Add `item` to the end of `lane`; false if it is full."""
        if self.room(lane) <= 0:
            return False
        waiting = self._lanes[lane]
        if not waiting:
            # A lane that was idle must not catch up on what it did not ask for.
            self._passes[lane] = max(self._passes[lane], self._now)
        waiting.append(item)
        return True

    def take(self, lanes: frozenset[Lane]) -> tuple[Item, Lane] | None:
        """The next item of `lanes`, and the lane that it came from; None if they are empty."""
        # Sorted by urgency, and min() takes the first of equals.
        ready = [lane for lane, waiting in self._lanes.items() if waiting and lane in lanes]
        if not ready:
            return None
        lane = min(ready, key=self._passes.__getitem__)
        item = self._lanes[lane].popleft()
        self._now = max(self._now, self._passes[lane])
        self._passes[lane] += 1 / WEIGHTS[lane]
        for other, waiting in self._lanes.items():
            if waiting:
                # Takers of some lanes only leave the others behind: by one turn, not for ever.
                self._passes[other] = max(self._passes[other], self._now - 1 / WEIGHTS[other])
        return item, lane

    def discard(self, item: Item, lane: Lane) -> bool:
        """Take `item` out of `lane` wherever it is; false if it is not there."""
        try:
            self._lanes[lane].remove(item)
        except ValueError:
            return False
        return True

    def depth(self) -> Mapping[Lane, int]:
        """How many items wait in each lane."""
        return {lane: len(waiting) for lane, waiting in self._lanes.items()}
