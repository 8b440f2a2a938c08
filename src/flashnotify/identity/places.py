"""Places in a queue, shared between the networks of those who wait."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from flashnotify.errors import Unavailable

_RETRY_AFTER = 5


class Places:
    """A `number` of places. A network gets another one only while it has fewer than are free.

    So a few networks never take them all (Choudhury and Hahne, Dynamic Queue Length Thresholds,
    1998). Once many have, the newest are refused.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._held: Counter[str] = Counter()

    @contextmanager
    def held(self, network: str) -> Iterator[None]:
        """Hold a place for a `network` meanwhile. Raise `Unavailable` if there is none for it."""
        if self._held[network] >= self._free:
            raise Unavailable("Too many people are signing in.", retry_after=_RETRY_AFTER)
        self._held[network] += 1
        self._free -= 1
        try:
            yield
        finally:
            self._held[network] -= 1
            self._free += 1
            if not self._held[network]:
                del self._held[network]
