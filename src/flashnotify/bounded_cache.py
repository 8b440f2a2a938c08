"""A mapping with a maximum size."""

from collections.abc import Callable, MutableMapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(dict[K, V]):
    """A mapping that holds at most `max_size` entries: adding one more evicts the oldest.

    Those whose values `keep` holds true of are only evicted if there are no others.
    The age of an entry counts from when its key was added; replacing its value does not renew it.
    """

    def __init__(self, max_size: int, keep: Callable[[V], bool] = lambda _: False) -> None:
        super().__init__()
        self._max_size = max_size
        self._keep = keep

    # Those of `dict` would evict nothing.
    update = MutableMapping.update
    setdefault = MutableMapping.setdefault

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self and len(self) >= self._max_size:
            others = (old for old, kept in self.items() if not self._keep(kept))
            del self[next(others, next(iter(self)))]
        super().__setitem__(key, value)
