"""Bounded lanes of work, one per priority, and which of them is served next."""

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from flashnotify.domain import Priority

Item = TypeVar("Item")

# How often a lane is served for each time the lowest is, while all have work.
WEIGHTS: Mapping[Priority, int] = {priority: 4**priority for priority in Priority}


class Lanes(Generic[Item]):
    """Lanes served by stride scheduling: each gets its share, so none ever starves.

    Every lane has a pass that grows by 1 / weight when it is served; the lane with the least pass
    is next, the more urgent one if two are equal. Within a lane, items go in the order of `key`.
    Each lane holds at most `bound` items.
    """

    def __init__(self, bound: int, key: Callable[[Item], Any]) -> None:
        self.bound = bound
        self._key = key
        self._lanes: dict[Priority, list[Item]] = {
            priority: [] for priority in sorted(Priority, reverse=True)
        }
        self._passes: dict[Priority, float] = dict.fromkeys(Priority, 0.0)
        self._now = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def full(self, priority: Priority) -> bool:
        """Return whether the lane takes no more."""
        return len(self._lanes[priority]) >= self.bound

    def put(self, item: Item, priority: Priority) -> bool:
        """Add `item` at its place in a lane; return false if the lane is full."""
        if self.full(priority):
            return False
        waiting = self._lanes[priority]
        if not waiting:
            # An idle lane must not catch up on service that it did not ask for.
            self._passes[priority] = max(self._passes[priority], self._now)
        insort(waiting, item, key=self._key)
        return True

    def displace(self, item: Item, priority: Priority) -> Item | None:
        """Return the last item of a full lane after replacing it by `item`, which goes before it.

        Return None, and change nothing, if `item` would be the last one.
        """
        waiting = self._lanes[priority]
        if self._key(item) >= self._key(waiting[-1]):
            return None
        displaced = waiting.pop()
        insort(waiting, item, key=self._key)
        return displaced

    def take(self, priorities: frozenset[Priority]) -> tuple[Item, Priority] | None:
        """Return the next item of some lanes with its lane; None if they are empty."""
        # Sorted by urgency, and min() takes the first of equals.
        ready = [lane for lane, waiting in self._lanes.items() if waiting and lane in priorities]
        if not ready:
            return None
        lane = min(ready, key=self._passes.__getitem__)
        item = self._lanes[lane].pop(0)
        self._now = max(self._now, self._passes[lane])
        self._passes[lane] += 1 / WEIGHTS[lane]
        for other, waiting in self._lanes.items():
            if waiting:
                # Workers that serve only some lanes let the others fall behind by one turn at most.
                self._passes[other] = max(self._passes[other], self._now - 1 / WEIGHTS[other])
        return item, lane

    def discard(self, item: Item, priority: Priority) -> bool:
        """Remove `item` from a lane; return false if it is not there."""
        waiting = self._lanes[priority]
        place = bisect_left(waiting, self._key(item), key=self._key)
        if place == len(waiting) or waiting[place] is not item:
            return False
        del waiting[place]
        return True

    def depth(self) -> Mapping[Priority, int]:
        """Return the number of items in each lane."""
        return {lane: len(waiting) for lane, waiting in self._lanes.items()}
