"""A mapping with a maximum size."""

from collections import UserDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(UserDict[K, V]):
    """A mapping that holds at most `max_size` entries: adding one more evicts the oldest.

    The age of an entry counts from when its key was added; replacing its value does not renew it.
    """

    def __init__(self, max_size: int) -> None:
        super().__init__()
        self._max_size = max_size

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self.data and len(self.data) >= self._max_size:
            del self.data[next(iter(self.data))]
        self.data[key] = value
