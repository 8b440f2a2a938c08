"""How fast a key may call, by the `limits` library."""

from __future__ import annotations

import math
import time

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from flashnotify.errors import TooFast


class Rates:
    """One rate for each key, counted in this process."""

    def __init__(self, rate: RateLimitItem) -> None:
        self._rate = rate
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def spend(self, caller: str, cost: int = 1) -> dict[str, str]:
        """Count `cost` calls of a caller; the headers that tell it what is left.

        Raises:
            TooFast: it has used up its rate.
        """
        granted = self._limiter.hit(self._rate, caller, cost=cost)
        window = self._limiter.get_window_stats(self._rate, caller)
        wait = max(1, math.ceil(window.reset_time - time.time()))
        if not granted:
            raise TooFast(
                f"This key may call {self._rate}. Wait {wait} s, or send many at once by "
                "POST /v1/notifications/batch.",
                retry_after=wait,
            )
        return {
            "X-RateLimit-Limit": str(self._rate.amount),
            "X-RateLimit-Remaining": str(window.remaining),
            "X-RateLimit-Reset": str(wait),
        }
