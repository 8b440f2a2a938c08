"""A mapping with a maximum size."""

from collections.abc import Iterator, MutableMapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(MutableMapping[K, V]):
    """A mapping that holds at most `max_size` entries: adding one more evicts the oldest.

    The age of an entry counts from when its key was added; replacing its value does not renew it.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._entries: dict[K, V] = {}

    def __getitem__(self, key: K) -> V:
        return self._entries[key]

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self._entries and len(self._entries) >= self._max_size:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = value

    def __delitem__(self, key: K) -> None:
        del self._entries[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
