"""When a delivery is attempted again."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify.channels.chat.channel import ChatMixin
from flashnotify.channels.push.channel import PushNotificationMixin
from flashnotify.delivery.disposition import next_attempt
from flashnotify.delivery.retry import RetryConfig
from flashnotify.domain import Priority
from flashnotify.meta.specs import RetryPolicy

NOW = 1_800_000_000_000
POLICY = RetryPolicy()
JITTER = st.floats(0, 1)


def wait(
    *,
    policy: RetryPolicy = POLICY,
    priority: Priority = Priority.low,
    attempts: int = 1,
    age: float = 0,
    jitter: float = 1.0,
    retry_after: float | None = None,
) -> float | None:
    """Return the wait in seconds, `age` seconds after the first attempt; None is giving up."""
    at = next_attempt(
        policy,
        priority,
        attempts=attempts,
        first_attempt_at=NOW - round(age * 1000),
        now=NOW,
        jitter=jitter,
        retry_after=retry_after,
    )
    return None if at is None else (at - NOW) / 1000


def waited(**more: object) -> float:
    """Return the wait in seconds of a delivery that does not give up."""
    found = wait(**more)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("attempts", "longest"),
    [(1, 2), (2, 4), (3, 8), (9, 512), (10, 600), (11, 600), (5000, 600)],
)
def test_the_longest_wait_doubles_up_to_the_cap(attempts: int, longest: float) -> None:
    assert wait(attempts=attempts) == longest


@pytest.mark.parametrize(("attempts", "longest"), [(1, 2), (4, 16), (5, 30), (50, 30)])
def test_critical_never_waits_longer_than_half_a_minute(attempts: int, longest: float) -> None:
    assert wait(attempts=attempts, priority=Priority.critical) == longest


def test_critical_is_hurried_for_two_hours_and_then_goes_on_like_the_others() -> None:
    for priority, late in ((Priority.critical, 30), (Priority.high, 600)):
        assert wait(attempts=240, priority=priority, age=2 * 3600 - 1) == late
        assert wait(attempts=241, priority=priority, age=2 * 3600) == 600
        assert wait(attempts=300, priority=priority, age=24 * 3600 - 600) == 600
        assert wait(attempts=300, priority=priority, age=24 * 3600, jitter=0) is None


@given(
    age=st.floats(0, 2 * 86_400),
    after=st.none() | st.floats(0, 2 * 86_400),
    attempts=st.integers(1, 40),
    jitter=JITTER,
)
def test_no_outage_ends_a_critical_delivery_sooner_than_a_low_one(
    age: float, after: float | None, attempts: int, jitter: float
) -> None:
    def at(priority: Priority) -> float | None:
        return wait(priority=priority, age=age, retry_after=after, attempts=attempts, jitter=jitter)

    assert at(Priority.low) is None or at(Priority.critical) is not None


def test_deliveries_refused_together_come_back_apart() -> None:
    source = random.Random(1)
    waits = [waited(retry_after=30, attempts=3, jitter=source.random()) for _ in range(40)]
    assert min(waits) >= 30
    assert max(waits) - min(waits) > 6
    assert len(set(waits)) > 35


@given(
    attempts=st.integers(1, 1000),
    priority=st.sampled_from(Priority),
    base=st.floats(0.1, 100),
    cap=st.floats(0.1, 10_000),
    jitter=JITTER,
)
def test_the_wait_is_within_its_bounds(
    attempts: int, priority: Priority, base: float, cap: float, jitter: float
) -> None:
    policy = RetryPolicy(base, cap, lifetime=1e6, urgent_period=1e6)
    found = waited(policy=policy, attempts=attempts, priority=priority, jitter=jitter)
    limit = min(cap, 30) if priority is Priority.critical else cap
    assert 0 <= found <= min(base * 2.0 ** (attempts - 1), limit) + 0.001


def test_waits_are_spread_over_the_whole_range() -> None:
    source = random.Random(1)
    waits = [waited(attempts=10, jitter=source.random()) for _ in range(300)]
    assert min(waits) < 60
    assert max(waits) > 540
    assert 250 < sum(waits) / len(waits) < 350


@pytest.mark.parametrize(
    ("priority", "lifetime"),
    [(priority, 24 * 3600) for priority in Priority],
)
def test_gives_up_at_the_end_of_its_lifetime(priority: Priority, lifetime: int) -> None:
    assert wait(priority=priority, age=lifetime - 2) == 2
    assert wait(priority=priority, age=lifetime - 1, attempts=7) is None
    assert wait(priority=priority, age=lifetime, jitter=0) is None


@given(
    after=st.floats(0, 3600),
    attempts=st.integers(1, 20),
    priority=st.sampled_from(Priority),
    jitter=JITTER,
)
def test_retry_after_is_the_least_wait(
    after: float, attempts: int, priority: Priority, jitter: float
) -> None:
    found = waited(retry_after=after, attempts=attempts, priority=priority, jitter=jitter)
    assert found >= after - 0.001
    cap = 30 if priority is Priority.critical else 600
    assert found <= max(after + min(after, cap), cap) + 0.001


def test_a_short_retry_after_does_not_shorten_the_wait() -> None:
    assert wait(retry_after=1, attempts=5) == 32


@pytest.mark.parametrize(("priority", "lifetime"), [(Priority.low, 24), (Priority.critical, 24)])
def test_a_retry_after_beyond_the_lifetime_leaves_one_attempt_at_its_end(
    priority: Priority, lifetime: int
) -> None:
    after = 25 * 3600.0
    assert wait(retry_after=after, priority=priority) == lifetime * 3600
    assert wait(retry_after=after, priority=priority, age=lifetime * 3600) is None


@given(
    age=st.floats(0, 2 * 86_400),
    after=st.none() | st.floats(0, 2 * 86_400),
    attempts=st.integers(1, 40),
    priority=st.sampled_from(Priority),
    jitter=JITTER,
)
def test_no_attempt_is_after_the_end_of_its_life(
    age: float, after: float | None, attempts: int, priority: Priority, jitter: float
) -> None:
    found = wait(age=age, retry_after=after, attempts=attempts, priority=priority, jitter=jitter)
    lifetime = 24 * 3600
    if found is not None:
        assert 0 <= found <= lifetime - age + 0.001


def test_settings_change_the_policy_except_what_a_channel_declares() -> None:
    config = RetryConfig(hours=48, max_wait=1800, critical_max_wait=10, critical_hours=1)
    assert config.applied_to(RetryPolicy()) == RetryPolicy(
        cap=1800,
        lifetime=48 * 3600,
        urgent_cap=10,
        urgent_period=3600,
        urgent_lifetime=48 * 3600,
    )
    push = config.applied_to(PushNotificationMixin.__channel__.retry)
    assert (push.lifetime, push.urgent_lifetime) == (6 * 3600, 48 * 3600)
    assert config.applied_to(ChatMixin.__channel__.retry).urgent_cap == 600
    assert RetryConfig().applied_to(RetryPolicy()) == RetryPolicy()
