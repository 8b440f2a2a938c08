"""The circuit breaker: closed, open, half-open with one probe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify.delivery.breaker import Breaker, BreakerState
from flashnotify.meta.specs import BreakerPolicy
from tests.support.manual_clock import ManualClock


@pytest.fixture
def breaker(clock: ManualClock) -> Breaker:
    return Breaker(BreakerPolicy(failures=3, recovery=30), clock)


def fail(breaker: Breaker, times: int) -> None:
    """Try, and fail."""
    for _ in range(times):
        assert breaker.allow(urgent=False)
        breaker.failed()


def test_stays_closed_while_failures_are_fewer(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert breaker.state is BreakerState.closed
    assert breaker.retry_after(urgent=False) == 0


def test_a_success_begins_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert breaker.allow(urgent=False)
    breaker.worked()
    fail(breaker, 2)
    assert breaker.state is BreakerState.closed


async def test_opens_after_so_many_failures_for_so_long(
    breaker: Breaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    assert breaker.state is BreakerState.open
    assert not breaker.allow(urgent=False)
    assert breaker.retry_after(urgent=False) == 30
    await clock.advance(29)
    assert not breaker.allow(urgent=False)
    assert breaker.retry_after(urgent=False) == 1
    await clock.advance(1)
    assert breaker.allow(urgent=False)


async def test_what_is_urgent_may_probe_sooner(breaker: Breaker, clock: ManualClock) -> None:
    """It may be only the bulk that fails."""
    fail(breaker, 3)
    assert not breaker.allow(urgent=True)
    assert breaker.retry_after(urgent=True) == 5
    await clock.advance(5)
    assert [breaker.allow(urgent=urgent) for urgent in (False, True, True)] == [False, True, False]
    breaker.worked()
    assert breaker.state is BreakerState.closed


async def test_half_open_lets_one_probe_through(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    await clock.advance(30)
    assert [breaker.allow(urgent=False) for _ in range(5)] == [True, False, False, False, False]
    # Others come again soon, not at once.
    assert breaker.retry_after(urgent=False) == 1


async def test_a_probe_that_hangs_holds_up_nothing_urgent(
    breaker: Breaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    await clock.advance(30)
    assert breaker.allow(urgent=False)
    assert [breaker.allow(urgent=True) for _ in range(3)] == [True, False, False]
    breaker.abandoned(urgent=True)
    assert not breaker.allow(urgent=False)
    assert breaker.allow(urgent=True)
    breaker.worked()
    assert breaker.state is BreakerState.closed
    # What the other then says counts as ever.
    breaker.failed()
    fail(breaker, 1)
    assert breaker.state is BreakerState.closed


async def test_a_probe_that_works_closes_it(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    await clock.advance(30)
    assert breaker.allow(urgent=False)
    breaker.worked()
    assert breaker.state is BreakerState.closed
    fail(breaker, 2)
    assert breaker.state is BreakerState.closed


async def test_a_probe_that_fails_opens_it_again(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    await clock.advance(30)
    fail(breaker, 1)
    assert breaker.state is BreakerState.open
    assert breaker.retry_after(urgent=False) == 30
    await clock.advance(30)
    assert breaker.allow(urgent=False)


async def test_a_probe_that_is_abandoned_makes_place_for_another(
    breaker: Breaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    await clock.advance(30)
    assert breaker.allow(urgent=False)
    breaker.abandoned(urgent=False)
    assert breaker.state is BreakerState.half_open
    assert [breaker.allow(urgent=False), breaker.allow(urgent=False)] == [True, False]


def test_a_delivery_that_is_abandoned_is_no_failure(breaker: Breaker) -> None:
    for _ in range(10):
        assert breaker.allow(urgent=False)
        breaker.abandoned(urgent=False)
    assert breaker.state is BreakerState.closed


async def test_a_refusal_of_our_settings_opens_it_at_once_and_says_so(
    breaker: Breaker, clock: ManualClock
) -> None:
    assert breaker.allow(urgent=False)
    breaker.refused_us("535 bad password")
    assert breaker.state is BreakerState.open
    assert breaker.misconfigured == "535 bad password"
    await clock.advance(30)
    # Until it works, a person should still see it.
    assert breaker.misconfigured == "535 bad password"
    assert breaker.allow(urgent=False)
    breaker.worked()
    assert f"{breaker.misconfigured} {breaker.state}" == "None closed"


REPORTS = st.sampled_from(["worked", "failed", "refused", "abandoned"])


def report(breaker: Breaker, what: str) -> None:
    """Answer an `allow`."""
    match what:
        case "worked":
            breaker.worked()
        case "failed":
            breaker.failed()
        case "refused":
            breaker.refused_us("no")
        case _:
            breaker.abandoned(urgent=False)


@given(st.lists(st.tuples(st.integers(0, 12), REPORTS)))
async def test_lets_one_at_a_time_probe_and_never_stays_open_for_ever(
    deliveries: list[tuple[int, str]],
) -> None:
    clock = ManualClock()
    breaker = Breaker(BreakerPolicy(failures=2, recovery=10), clock)
    for seconds, what in deliveries:
        await clock.advance(seconds)
        state = breaker.state
        assert breaker.allow(urgent=False) is (state is not BreakerState.open)
        if state is BreakerState.open:
            continue
        assert breaker.allow(urgent=False) is (state is BreakerState.closed)
        report(breaker, what)
        if what == "worked":
            assert breaker.state is BreakerState.closed
        elif what == "refused" or (what, state) == ("failed", BreakerState.half_open):
            assert breaker.state is BreakerState.open
    await clock.advance(10)
    assert breaker.allow(urgent=False)
