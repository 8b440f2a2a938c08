"""Jumps of the machine's wall clock."""

import pytest

from flashnotify.clock import SystemClock

HOUR = 3600.0


class Machine(SystemClock):
    """A machine whose clocks a test sets."""

    wall, up = 1_800_000_000.0, 50.0

    def now(self) -> int:
        return round(self.wall * 1000)

    def monotonic(self) -> float:
        return self.up

    def run(self, seconds: float, *, slow: float = 0.0) -> None:
        """Let time pass, on a wall clock that is `slow` by some seconds each."""
        self.up += seconds
        self.wall += seconds * (1 - slow)


@pytest.mark.parametrize("jump", [400 * 24 * HOUR, -HOUR])
def test_a_jump_is_doubted_for_an_hour(jump: float, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert capsys.readouterr().out.count("clock.jumped") == 1


def test_a_clock_that_is_put_right_is_trusted_at_once() -> None:
    machine = Machine()
    machine.wall += 400 * 24 * HOUR
    assert machine.in_doubt()
    machine.run(70)
    machine.wall -= 400 * 24 * HOUR
    assert not machine.in_doubt()


def test_a_slow_clock_does_not_jump() -> None:
    machine = Machine()
    for _ in range(1000):
        machine.run(60, slow=0.01)
        assert not machine.in_doubt()
