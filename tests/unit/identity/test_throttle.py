"""The delays of sign-in."""

import pytest

from flashnotify.errors import RateLimited
from flashnotify.identity.throttle import Throttle
from tests.support.manual_clock import ManualClock


@pytest.fixture
def throttle(clock: ManualClock) -> Throttle:
    return Throttle(5, clock)


def wait(throttle: Throttle, key: str = "ada") -> int:
    """Return the seconds to wait before the next attempt, which fails if there are none."""
    try:
        throttle.begin(key)
    except RateLimited as refused:
        return refused.retry_after
    return 0


async def test_delays_double_up_to_five_minutes(throttle: Throttle, clock: ManualClock) -> None:
    assert [wait(throttle) for _ in range(5)] == [0] * 5
    delays = []
    for _ in range(11):
        delays.append(wait(throttle))
        await clock.advance(delays[-1])
        assert wait(throttle) == 0
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


async def test_an_attempt_that_comes_too_early_costs_nothing(
    throttle: Throttle, clock: ManualClock
) -> None:
    for _ in range(6):
        wait(throttle)
    assert [wait(throttle) for _ in range(100)] == [1] * 100
    await clock.advance(1)
    assert wait(throttle) == 0


def test_keys_are_delayed_by_themselves(throttle: Throttle) -> None:
    for _ in range(6):
        wait(throttle)
    assert wait(throttle, "bob") == 0


def test_success_forgets_failures_and_undo_the_last(throttle: Throttle) -> None:
    for _ in range(5):
        wait(throttle)
    throttle.undo("ada")
    assert [wait(throttle), wait(throttle)] == [0, 1]
    throttle.forget("ada")
    assert [wait(throttle) for _ in range(6)] == [0, 0, 0, 0, 0, 1]


async def test_failures_are_forgotten_after_an_hour(throttle: Throttle, clock: ManualClock) -> None:
    for _ in range(5):
        wait(throttle)
    await clock.advance(3600)
    assert [wait(throttle) for _ in range(6)] == [0, 0, 0, 0, 0, 1]


def test_the_wall_clock_neither_opens_nor_locks(throttle: Throttle, clock: ManualClock) -> None:
    for _ in range(6):
        wait(throttle)
    clock.step(-86_400)
    assert wait(throttle) == 1
    clock.step(2 * 86_400)
    assert wait(throttle) == 1


def test_a_flood_of_names_does_not_end_a_delay(throttle: Throttle) -> None:
    for _ in range(6):
        wait(throttle)
    for number in range(20_000):
        wait(throttle, str(number))
    assert wait(throttle) == 1
    assert len(throttle._failures) == 10_000
