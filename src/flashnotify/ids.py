"""Identifiers that sort by time."""

import os
from collections.abc import Callable
from struct import Struct
from uuid import UUID

# Random numbers drawn at once: asking the kernel costs more than all the rest of an id.
_NUMBERS = Struct("128Q")


class UUIDv7:
    """A generator of UUIDs of version 7 (RFC 9562, section 5.7), increasing within the process.

    Sub-millisecond order comes from a counter in `rand_a` (RFC 9562, section 6.2, method 1).
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._last = 0
        self._random: list[int] = []

    def __call__(self) -> UUID:
        """Return the next id; `now` gives milliseconds since the epoch."""
        # Time and counter form one number: the counter overflows into the next millisecond.
        self._last = max(self._now() << 12, self._last + 1)
        head = ((self._last >> 12) << 16) | 0x7000 | (self._last & 0xFFF)
        if not self._random:
            self._random = [*_NUMBERS.unpack(os.urandom(_NUMBERS.size))]
        tail = (self._random.pop() & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
        return UUID(int=(head << 64) | tail)
