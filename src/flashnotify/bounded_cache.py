"""A mapping with a maximum size."""

from collections import UserDict
from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(UserDict[K, V]):
    """A mapping that holds at most `max_size` entries: adding one more evicts the oldest.

    Those whose values `keep` holds true of are only evicted if there are no others.
    The age of an entry counts from when its key was added; replacing its value does not renew it.
    """

    def __init__(self, max_size: int, keep: Callable[[V], bool] = lambda _: False) -> None:
        super().__init__()
        self._max_size = max_size
        self._keep = keep

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self.data and len(self.data) >= self._max_size:
            others = (old for old, kept in self.data.items() if not self._keep(kept))
            del self.data[next(others, next(iter(self.data)))]
        self.data[key] = value
