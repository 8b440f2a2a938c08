"""Rate limits: how many requests each principal may make in a window of time."""

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

from limits import RateLimitItem, parse_many

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
    """A limit for each principal, its own or else `rate`, counted in fixed windows in this process.

    A principal's window starts with its first request. It is measured on the monotonic clock, so
    that setting the wall clock neither opens nor locks anything.
    """

    def __init__(self, rate: RateLimitItem, clock: Clock) -> None:
        self.rate = rate
        self._clock = clock
        self._windows: BoundedCache[str, _Window] = BoundedCache(_MAX_WINDOWS)

    def count(self, principal_id: str, own: RateLimitItem | None = None) -> Usage:
        """Count a request and return the state of the limit."""
        rate = own or self.rate
        now = self._clock.monotonic()
        window = self._windows.get(principal_id)
        if window is None or now >= window.ends:
            window = self._windows[principal_id] = _Window(now + rate.get_expiry())
        window.used += 1
        remaining, reset = rate.amount - window.used, math.ceil(window.ends - now)
        return Usage(remaining >= 0, rate.amount, max(0, remaining), reset)


def checked_rate(text: str) -> str:
    """Return a rate such as `50/second`. Raise `ValueError` if it is not one."""
    try:
        rates = parse_many(text)
    except ValueError:
        rates = []
    # The library reads a window of 0 seconds as one of 1.
    if len(rates) != 1 or 0 in map(int, re.findall(r"\d+", text)):
        raise ValueError("must be one rate, above zero, such as 50/second")
    return text
