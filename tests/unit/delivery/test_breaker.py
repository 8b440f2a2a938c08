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
        breaker.failed("down")


async def probe(breaker: Breaker, clock: ManualClock) -> None:
    """Open the breaker, and let a delivery through after its recovery time."""
    fail(breaker, 3)
    await clock.advance(30)
    assert breaker.allow(urgent=False)


def test_stays_closed_while_failures_are_fewer(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert breaker.state is BreakerState.closed
    assert breaker.wait(urgent=False) == 0


def test_a_success_begins_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert breaker.allow(urgent=False)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.state is BreakerState.closed


async def test_opens_after_its_number_of_failures_for_its_time(
    breaker: Breaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    assert breaker.state is BreakerState.open
    assert not breaker.allow(urgent=False)
    assert breaker.wait(urgent=False) == 30
    await clock.advance(29)
    assert not breaker.allow(urgent=False)
    assert breaker.wait(urgent=False) == 1
    await clock.advance(1)
    assert breaker.wait(urgent=False) == 0
    assert breaker.state.value == "half_open"
    assert breaker.allow(urgent=False)


async def test_asking_how_long_to_wait_takes_no_probe(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    await clock.advance(30)
    assert [breaker.wait(urgent=False) for _ in range(3)] == [0, 0, 0]
    assert breaker.allow(urgent=False)


async def test_an_urgent_delivery_may_probe_sooner(breaker: Breaker, clock: ManualClock) -> None:
    """It may be only the bulk that fails."""
    fail(breaker, 3)
    assert not breaker.allow(urgent=True)
    assert breaker.wait(urgent=True) == 5
    await clock.advance(5)
    assert [breaker.allow(urgent=urgent) for urgent in (False, True, True)] == [False, True, False]
    breaker.succeeded()
    assert breaker.state is BreakerState.closed


async def test_half_open_lets_one_probe_through(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    await clock.advance(30)
    assert [breaker.allow(urgent=False) for _ in range(5)] == [True, False, False, False, False]


@pytest.mark.parametrize(("urgent", "wait"), [(False, 30), (True, 5)])
async def test_while_a_probe_hangs_the_others_come_again_at_its_pace(
    breaker: Breaker, clock: ManualClock, urgent: bool, wait: float
) -> None:
    """However long it hangs: not every second, and not at once."""
    fail(breaker, 3)
    await clock.advance(30)
    assert breaker.allow(urgent=urgent)
    for _ in range(3):
        assert breaker.wait(urgent=urgent) == wait
        assert not breaker.allow(urgent=urgent)
        await clock.advance(100)


async def test_a_probe_that_hangs_holds_up_nothing_urgent(
    breaker: Breaker, clock: ManualClock
) -> None:
    await probe(breaker, clock)
    assert breaker.wait(urgent=True) == 0
    assert [breaker.allow(urgent=True) for _ in range(3)] == [True, False, False]
    breaker.abandoned(urgent=True)
    assert not breaker.allow(urgent=False)
    assert breaker.allow(urgent=True)
    breaker.succeeded()
    assert breaker.state is BreakerState.closed
    # The result of the other one counts as any other.
    breaker.failed("down")
    fail(breaker, 1)
    assert breaker.state is BreakerState.closed


async def test_a_probe_that_works_closes_it(breaker: Breaker, clock: ManualClock) -> None:
    await probe(breaker, clock)
    breaker.succeeded()
    assert breaker.state is BreakerState.closed
    fail(breaker, 2)
    assert breaker.state is BreakerState.closed


async def test_a_probe_that_fails_opens_it_again(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    await clock.advance(30)
    fail(breaker, 1)
    assert breaker.state is BreakerState.open
    assert breaker.wait(urgent=False) == 30
    await clock.advance(30)
    assert breaker.allow(urgent=False)


async def test_an_abandoned_probe_makes_place_for_another(
    breaker: Breaker, clock: ManualClock
) -> None:
    await probe(breaker, clock)
    breaker.abandoned(urgent=False)
    assert breaker.state is BreakerState.half_open
    assert [breaker.allow(urgent=False), breaker.allow(urgent=False)] == [True, False]


def test_an_abandoned_delivery_is_no_failure(breaker: Breaker) -> None:
    for _ in range(10):
        assert breaker.allow(urgent=False)
        breaker.abandoned(urgent=False)
    assert breaker.state is BreakerState.closed


async def test_a_refusal_of_our_settings_opens_it_at_once_and_keeps_the_reason(
    breaker: Breaker, clock: ManualClock
) -> None:
    assert breaker.allow(urgent=False)
    breaker.misconfigure("535 bad password")
    assert breaker.state is BreakerState.open
    assert breaker.misconfigured == "535 bad password"
    await clock.advance(30)
    # Until it works, a person should still see it.
    assert breaker.misconfigured == "535 bad password"
    assert breaker.allow(urgent=False)
    breaker.succeeded()
    assert f"{breaker.misconfigured} {breaker.state}" == "None closed"


def test_a_sibling_has_the_same_policy_and_a_state_of_its_own(breaker: Breaker) -> None:
    fail(breaker, 2)
    sibling = breaker.sibling()
    fail(sibling, 2)
    assert sibling.state is BreakerState.closed
    fail(sibling, 1)
    assert (sibling.state, breaker.state) == (BreakerState.open, BreakerState.closed)


REPORTS = st.sampled_from(["succeeded", "failed", "misconfigured", "abandoned"])


def report(breaker: Breaker, what: str) -> None:
    """Answer an `allow`."""
    match what:
        case "succeeded":
            breaker.succeeded()
        case "failed":
            breaker.failed("down")
        case "misconfigured":
            breaker.misconfigure("no")
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
        assert (breaker.wait(urgent=False) > 0) is (state is BreakerState.open)
        assert breaker.allow(urgent=False) is (state is not BreakerState.open)
        if state is BreakerState.open:
            continue
        assert breaker.allow(urgent=False) is (state is BreakerState.closed)
        report(breaker, what)
        if what == "succeeded":
            assert breaker.state is BreakerState.closed
        elif what == "misconfigured" or (what, state) == ("failed", BreakerState.half_open):
            assert breaker.state is BreakerState.open
    await clock.advance(10)
    assert breaker.allow(urgent=False)


async def test_a_pause_holds_everything_back_and_then_lets_more_go_each_time(
    breaker: Breaker, clock: ManualClock
) -> None:
    for _ in range(40):
        assert breaker.allow(urgent=False)
    for _ in range(40):
        breaker.succeeded()
        breaker.pause(30, "429 slow down")
    assert (breaker.state.value, breaker.error) == ("open", "429 slow down")
    assert [breaker.wait(urgent=urgent) for urgent in (False, True)] == [30, 30]
    await clock.advance(29)
    assert not breaker.allow(urgent=True)
    await clock.advance(1)
    at_once = []
    for _ in range(8):
        going = 0
        while breaker.allow(urgent=False) and going < 100:
            going += 1
        at_once.append(going)
        for _ in range(going):
            breaker.succeeded()
    assert at_once[:3] == [1, 2, 8]
    assert at_once[-1] == 100


async def test_a_probe_after_a_pause_that_is_refused_too_pauses_again(
    breaker: Breaker, clock: ManualClock
) -> None:
    assert breaker.allow(urgent=False)
    breaker.succeeded()
    breaker.pause(3600, "429 quota")
    # A day's pause must not be believed for a day.
    await clock.advance(600)
    assert breaker.allow(urgent=False)
    assert not breaker.allow(urgent=True)
    breaker.succeeded()
    breaker.pause(30, "429 quota")
    assert breaker.wait(urgent=False) == 30
    await clock.advance(30)
    assert breaker.allow(urgent=False)
    breaker.abandoned(urgent=False)
    assert breaker.allow(urgent=False)
    assert not breaker.allow(urgent=False)


async def test_tells_since_when_it_fails_and_what_the_last_error_was(
    breaker: Breaker, clock: ManualClock
) -> None:
    def told() -> list[object]:
        return [breaker.failing_since, breaker.error]

    fail(breaker, 2)
    assert told() == [None, "down"]
    fail(breaker, 1)
    since = clock.now()
    await clock.advance(30)
    assert breaker.allow(urgent=False)
    breaker.failed("no route")
    assert told() == [since, "no route"]
    await clock.advance(30)
    assert breaker.allow(urgent=False)
    breaker.succeeded()
    assert told() == [None, None]
