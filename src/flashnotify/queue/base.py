"""The queue protocol."""

from collections.abc import Mapping
from typing import Protocol, TypeVar
from uuid import UUID

from flashnotify.domain import Priority


class Queued(Protocol):
    """Something with an identity and a place in its lane."""

    @property
    def id(self) -> UUID:
        """Its identity."""

    @property
    def place(self) -> tuple[int, UUID]:
        """Its place in its lane: its turn, and among equal turns its id."""


T = TypeVar("T", bound=Queued)


class QueueClosed(Exception):
    """The queue is closed: it gives out nothing more."""


class Queue(Protocol[T]):
    """Bounded lanes, one per priority. No item is in it twice, nor queued while in flight.

    `ThreadPoolQueue` has the same methods for threads, which block in `get` instead of awaiting it.
    """

    def put(self, item: T, lane: Priority) -> bool:
        """Queue `item`; return false if the lane is full, true if it is queued or in flight."""

    async def get(self, lanes: frozenset[Priority]) -> T:
        """Take the next item of `lanes`, in flight from now on, or raise `QueueClosed`."""

    def done(self, item: T) -> None:
        """Release an item in flight: it may be queued again."""

    def depth(self) -> Mapping[Priority, int]:
        """Return the number of items that wait in each lane."""

    def close(self) -> None:
        """Give out nothing more."""
