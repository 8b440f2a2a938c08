"""How fast a key may call, by the `limits` library."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter


@dataclass(frozen=True, slots=True)
class Spent:
    """A call that was counted, and what is left: `limit` calls until `reset` s have passed."""

    granted: bool
    rate: str
    limit: int
    remaining: int
    reset: int


class Rates:
    """One rate for each key, counted in this process."""

    def __init__(self, rate: RateLimitItem) -> None:
        self._rate = rate
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def spend(self, caller: str) -> Spent:
        """Count a call of a caller; not granted if it has used up its rate."""
        granted = self._limiter.hit(self._rate, caller)
        window = self._limiter.get_window_stats(self._rate, caller)
        wait = max(1, math.ceil(window.reset_time - time.time()))
        return Spent(granted, str(self._rate), self._rate.amount, window.remaining, wait)
