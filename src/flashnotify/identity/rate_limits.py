"""Rate limits: how many requests each principal may make in a window of time."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from limits import RateLimitItem

from flashnotify.bounded_cache import BoundedCache
from flashnotify.clock import Clock

_MAX_WINDOWS = 10_000


class Usage(NamedTuple):
    """The state of a principal's limit after a request; `reset` is in seconds from now."""

    allowed: bool
    limit: int
    remaining: int
    reset: int


@dataclass(slots=True)
class _Window:
    ends: float
    used: int = 0


class RateLimits:
    """The same limit for each principal, counted in fixed windows in this process.

    A principal's window starts with its first request. It is measured on the monotonic clock, so
    that setting the wall clock neither opens nor locks anything.
    """

    def __init__(self, rate: RateLimitItem, clock: Clock) -> None:
        self.rate = rate
        self._seconds = rate.get_expiry()
        self._clock = clock
        self._windows: BoundedCache[str, _Window] = BoundedCache(_MAX_WINDOWS)

    def count(self, principal_id: str) -> Usage:
        """Count a request and return the state of the limit."""
        now = self._clock.monotonic()
        window = self._windows.get(principal_id)
        if window is None or now >= window.ends:
            window = self._windows[principal_id] = _Window(now + self._seconds)
        window.used += 1
        remaining, reset = self.rate.amount - window.used, math.ceil(window.ends - now)
        return Usage(remaining >= 0, self.rate.amount, max(0, remaining), reset)
