"""Rate limits: fixed windows on the monotonic clock."""

from __future__ import annotations

import threading

from limits import parse

from flashnotify.identity import rate_limits
from flashnotify.identity.rate_limits import RateLimits, Usage
from tests.support.manual_clock import ManualClock


async def test_a_window_allows_its_limit_and_then_starts_anew() -> None:
    clock = ManualClock()
    limits = RateLimits(parse("3/minute"), clock)
    assert limits.count("a") == Usage(allowed=True, limit=3, remaining=2, reset=60)
    await clock.advance(20.5)
    assert limits.count("a") == Usage(allowed=True, limit=3, remaining=1, reset=40)
    assert limits.count("a") == Usage(allowed=True, limit=3, remaining=0, reset=40)
    for _ in range(2):
        assert limits.count("a") == Usage(allowed=False, limit=3, remaining=0, reset=40)
    await clock.advance(39.499)
    assert limits.count("a") == Usage(allowed=False, limit=3, remaining=0, reset=1)
    await clock.advance(0.001)
    assert limits.count("a") == Usage(allowed=True, limit=3, remaining=2, reset=60)


async def test_each_principal_has_its_own_window() -> None:
    clock = ManualClock()
    limits = RateLimits(parse("1/second"), clock)
    assert limits.count("a").allowed
    await clock.advance(0.5)
    assert limits.count("b").allowed
    assert not limits.count("a").allowed
    await clock.advance(0.5)
    assert limits.count("a").allowed
    assert not limits.count("b").allowed


async def test_a_step_of_the_wall_clock_changes_nothing() -> None:
    clock = ManualClock()
    limits = RateLimits(parse("2/hour"), clock)
    assert limits.count("a").remaining == 1
    for step in (24 * 3600, -48 * 3600):
        clock.step(step)
        assert limits.count("b" if step < 0 else "a").reset == 3600
    assert not limits.count("a").allowed
    await clock.advance(3600)
    assert limits.count("a").allowed


def test_memory_is_bounded_and_no_thread_is_started() -> None:
    threads = threading.active_count()
    limits = RateLimits(parse("1/hour"), ManualClock())
    for number in range(2 * rate_limits._MAX_WINDOWS):
        limits.count(str(number))
    assert len(limits._windows) == rate_limits._MAX_WINDOWS
    assert threading.active_count() == threads
