"""What a queue is, whatever drains it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar
from uuid import UUID

from flashnotify.domain import Priority

Lane = Priority


class Queued(Protocol):
    """Something with an identity."""

    @property
    def id(self) -> UUID:
        """What tells it from all others."""
        ...


T = TypeVar("T", bound=Queued)


class QueueClosed(Exception):
    """The queue is closed: nothing more will come out of it."""


class Queue(Protocol[T]):
    """Bounded lanes, one per priority. Nothing is in it twice, nor queued while in hand.

    `ThreadPoolQueue` has the same methods, but for threads, who wait in `get` rather than await it.
    """

    def put(self, item: T, lane: Lane) -> bool:
        """Queue `item`; false if the lane is full. True if it is queued or in hand already."""
        ...

    async def get(self, lanes: frozenset[Lane]) -> T:
        """Take the next item of `lanes` in hand.

        Raises:
            QueueClosed: the queue is closed.
        """
        ...

    def done(self, item: T) -> None:
        """Let go of an item in hand: its id may be queued again."""
        ...

    def depth(self) -> Mapping[Lane, int]:
        """How many items wait in each lane."""
        ...

    def close(self) -> None:
        """Give out nothing more."""
        ...
