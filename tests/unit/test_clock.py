"""Jumps of the machine's wall clock."""

import time

import pytest

from flashnotify.clock import SystemClock

HOUR = 3600.0


class Machine(SystemClock):
    """A machine whose clocks a test sets."""

    def __init__(self, wall: float = 1_800_000_000.0) -> None:
        self.wall, self.up = wall, 50.0
        super().__init__()

    def now(self) -> int:
        return round(self.wall * 1000)

    def monotonic(self) -> float:
        return self.up

    def run(self, seconds: float, *, slow: float = 0.0) -> None:
        """Let time pass, on a wall clock that is `slow` by some seconds each."""
        self.up += seconds
        self.wall += seconds * (1 - slow)


@pytest.mark.parametrize("jump", [400 * 24 * HOUR, -HOUR])
def test_a_jump_is_doubted_for_an_hour(jump: float) -> None:
    machine = Machine()
    assert not machine.in_doubt()
    machine.wall += jump
    assert machine.in_doubt()
    machine.run(HOUR - 1)
    assert machine.in_doubt()
    machine.run(1)
    assert not machine.in_doubt()
    machine.run(24 * HOUR)
    assert not machine.in_doubt()


def test_a_clock_that_is_put_right_is_trusted_at_once() -> None:
    machine = Machine()
    machine.wall += 400 * 24 * HOUR
    assert machine.in_doubt()
    machine.run(70)
    machine.wall -= 400 * 24 * HOUR
    assert not machine.in_doubt()


@pytest.mark.parametrize("days", [400, -400])
def test_a_jump_while_the_service_was_stopped_is_doubted_for_an_hour(days: int) -> None:
    stopped = Machine()
    restarted = Machine(stopped.wall + days * 24 * HOUR)
    restarted.resume(stopped.now())
    assert restarted.in_doubt()
    restarted.run(HOUR - 1)
    assert restarted.in_doubt()
    restarted.run(1)
    assert not restarted.in_doubt()


def test_a_service_may_be_stopped_for_days() -> None:
    machine = Machine()
    machine.resume(machine.now() - round(6 * 24 * HOUR * 1000))
    assert not machine.in_doubt()


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="needs Linux")
def test_time_passes_while_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before, gettime = clock.monotonic(), time.clock_gettime
    suspended = {time.CLOCK_BOOTTIME: 8 * HOUR}
    monkeypatch.setattr(time, "clock_gettime", lambda id: gettime(id) + suspended.get(id, 0.0))
    assert clock.monotonic() - before >= 8 * HOUR
    monkeypatch.setattr(clock, "now", lambda: round((time.time() + 8 * HOUR) * 1000))
    assert not clock.in_doubt()


def test_a_slow_clock_does_not_jump() -> None:
    machine = Machine()
    for _ in range(1000):
        machine.run(60, slow=0.01)
        assert not machine.in_doubt()
