"""Delays that grow with each failure to sign in. There is no lock-out: they end by themselves."""

import math
from dataclasses import dataclass

from flashnotify.bounded_cache import BoundedCache
from flashnotify.clock import Clock
from flashnotify.errors import RateLimited

# Keys, of accounts or networks, whose failures are remembered.
_MAX_KEYS = 10_000
# Seconds after which failures are forgotten.
_FORGOTTEN = 3600


@dataclass(slots=True)
class _Failures:
    number: int
    # The latest, in monotonic seconds.
    at: float


class Throttle:
    """Delays the attempts of each key once `free` of them have failed: by 1 s, 2 s, 4 s and so on.

    The `longest` delay, in seconds, is 5 minutes by default.

    An attempt counts as failed from its begin, so that many at once gain nothing.
    """

    def __init__(self, free: int, clock: Clock, longest: int = 300) -> None:
        self._free = free
        self._longest = longest
        self._clock = clock
        # When full, those that are delayed outlast the others.
        self._failures: BoundedCache[str, _Failures] = BoundedCache(
            _MAX_KEYS, keep=lambda failures: failures.number >= free
        )

    def begin(self, key: str) -> None:
        """Count an attempt. Raise `RateLimited`, and count nothing, before its time has come."""
        now = self._clock.monotonic()
        known = self._failures.get(key)
        if known is None or now - known.at >= _FORGOTTEN:
            # Anew, since a cache that is full drops the oldest.
            self._failures.pop(key, None)
            known = self._failures[key] = _Failures(0, now)
        wait = math.ceil(known.at + self._delay(known.number) - now)
        if wait > 0:
            raise RateLimited(f"Too many attempts. Retry in {wait} s.", retry_after=wait)
        known.number += 1
        known.at = now

    def undo(self, key: str) -> None:
        """Take an attempt back that has not failed."""
        known = self._failures.get(key)
        if known is not None and known.number:
            known.number -= 1

    def forget(self, key: str) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    def _delay(self, failures: int) -> int:
        # Bounded first: 2 to the power of a million takes long.
        doubled = min(failures - self._free, 20)
        return 0 if failures < self._free else min(2**doubled, self._longest)
