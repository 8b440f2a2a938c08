"""Whether and when a delivery is tried again."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify.delivery.retry import GiveUp, RetryAt, decide
from flashnotify.domain import Priority
from flashnotify.errors import Misconfigured, Rejected, Retryable, TransportError, Unreachable
from flashnotify.meta.specs import RetryPolicy

NOW = 1_800_000_000_000
POLICY = RetryPolicy()


class Highest(random.Random):
    """Draws the highest number, always."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def decided(
    error: TransportError | None = None,
    *,
    policy: RetryPolicy = POLICY,
    priority: Priority = Priority.low,
    attempts: int = 1,
    age: float = 0,
    expires_in: float | None = None,
    source: random.Random | None = None,
) -> RetryAt | GiveUp:
    """The decision, `age` seconds after the first attempt."""
    return decide(
        error or Retryable("busy"),
        policy=policy,
        priority=priority,
        attempts=attempts,
        first_attempt_at=NOW - round(age * 1000),
        expires_at=None if expires_in is None else NOW + round(expires_in * 1000),
        now=NOW,
        random=source or Highest(),
    )


def wait(decision: RetryAt | GiveUp) -> float:
    """The wait in seconds."""
    assert isinstance(decision, RetryAt), decision
    return (decision.at - NOW) / 1000


@pytest.mark.parametrize(
    ("attempts", "longest"),
    [(1, 2), (2, 4), (3, 8), (9, 512), (10, 600), (11, 600), (5000, 600)],
)
def test_the_longest_wait_doubles_up_to_the_cap(attempts: int, longest: float) -> None:
    assert wait(decided(attempts=attempts)) == longest


@pytest.mark.parametrize(("attempts", "longest"), [(1, 2), (4, 16), (5, 30), (50, 30)])
def test_critical_never_waits_longer_than_half_a_minute(attempts: int, longest: float) -> None:
    assert wait(decided(attempts=attempts, priority=Priority.critical)) == longest


@given(
    attempts=st.integers(1, 1000),
    priority=st.sampled_from(Priority),
    base=st.floats(0.1, 100),
    cap=st.floats(0.1, 10_000),
    seed=st.integers(),
)
def test_the_wait_is_within_its_bounds(
    attempts: int, priority: Priority, base: float, cap: float, seed: int
) -> None:
    policy = RetryPolicy(base, cap, lifetime=1e6, urgent_lifetime=1e6)
    source = random.Random(seed)
    found = wait(decided(policy=policy, attempts=attempts, priority=priority, source=source))
    limit = min(cap, 30) if priority is Priority.critical else cap
    assert 0 <= found <= min(base * 2.0 ** (attempts - 1), limit) + 0.001


def test_waits_are_spread_over_the_whole_range() -> None:
    source = random.Random(1)
    waits = [wait(decided(attempts=10, source=source)) for _ in range(300)]
    assert min(waits) < 60
    assert max(waits) > 540
    assert 250 < sum(waits) / len(waits) < 350


@pytest.mark.parametrize(
    ("priority", "lifetime"),
    [(Priority.low, 24 * 3600), (Priority.high, 24 * 3600), (Priority.critical, 2 * 3600)],
)
def test_gives_up_at_the_end_of_its_lifetime(priority: Priority, lifetime: int) -> None:
    assert isinstance(decided(priority=priority, age=lifetime - 2), RetryAt)
    over = decided(priority=priority, age=lifetime - 1, attempts=7)
    assert isinstance(over, GiveUp)


def test_says_why_it_gave_up() -> None:
    over = decided(Retryable("451 greylisted"), age=24 * 3600, attempts=7)
    assert over == GiveUp("gave up after 7 attempts; the last one said: 451 greylisted")


@given(
    after=st.floats(0, 3600),
    attempts=st.integers(1, 20),
    priority=st.sampled_from(Priority),
    seed=st.integers(),
)
def test_retry_after_is_the_least_wait(
    after: float, attempts: int, priority: Priority, seed: int
) -> None:
    source = random.Random(seed)
    error = Retryable("busy", after=after)
    found = wait(decided(error, attempts=attempts, priority=priority, source=source))
    assert found >= after - 0.001
    cap = 30 if priority is Priority.critical else 600
    assert found <= max(after, cap) + 0.001


def test_a_short_retry_after_does_not_shorten_the_wait() -> None:
    assert wait(decided(Retryable("busy", after=1), attempts=5)) == 32


@pytest.mark.parametrize(("priority", "lifetime"), [(Priority.low, 24), (Priority.critical, 2)])
def test_a_retry_after_beyond_the_lifetime_leaves_one_try_at_its_end(
    priority: Priority, lifetime: int
) -> None:
    busy = Retryable("busy", after=25 * 3600)
    assert wait(decided(busy, priority=priority)) == lifetime * 3600
    assert isinstance(decided(busy, priority=priority, age=lifetime * 3600), GiveUp)


@given(expires_in=st.floats(-100, 4000), after=st.floats(0, 4000), seed=st.integers())
def test_never_retries_at_or_past_expiry(expires_in: float, after: float, seed: int) -> None:
    error = Retryable("busy", after=after)
    found = decided(error, expires_in=expires_in, source=random.Random(seed))
    if isinstance(found, RetryAt):
        assert (found.at - NOW) / 1000 < expires_in
    else:
        assert found.reason == "expired before the next attempt; the last one said: busy"
        assert expires_in <= max(after, 2) + 0.001


@pytest.mark.parametrize("priority", list(Priority))
def test_a_refusal_for_good_is_not_retried(priority: Priority) -> None:
    decision = decided(Rejected("550 no such user"), priority=priority)
    assert decision == GiveUp("550 no such user")


@pytest.mark.parametrize("error", [Unreachable("down"), Misconfigured("535 bad password")])
def test_what_can_be_mended_is_retried(error: TransportError) -> None:
    assert wait(decided(error)) == 2
