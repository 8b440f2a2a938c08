"""The circuit breaker of a transport: closed, open, half-open."""

from __future__ import annotations

from enum import StrEnum

from flashnotify.clock import Clock
from flashnotify.meta.specs import BreakerPolicy


class BreakerState(StrEnum):
    """Whether a transport is used."""

    closed = "closed"
    open = "open"
    half_open = "half_open"


class Breaker:
    """Leaves a failing transport alone, then lets one delivery at a time probe it.

    After `policy.failures` failures in a row it opens for `policy.recovery` seconds. An urgent
    delivery may probe beside one that is not: it never waits for a bulk probe that hangs.
    """

    def __init__(self, policy: BreakerPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None
        self._probes: set[bool] = set()  # the urgency of each
        self.misconfigured: str | None = None

    def another(self) -> Breaker:
        """A new one, closed, of the same policy."""
        return Breaker(self._policy, self._clock)

    @property
    def state(self) -> BreakerState:
        """The state now."""
        if self._open_until is None:
            return BreakerState.closed
        if self._clock.monotonic() < self._open_until:
            return BreakerState.open
        return BreakerState.half_open

    def allow(self, *, urgent: bool) -> bool:
        """True if a delivery may try now. Each true must be answered by a report below."""
        state = self.state
        if state is BreakerState.closed:
            return True
        if state is BreakerState.open or urgent in self._probes:
            return False
        self._probes.add(urgent)
        return True

    def retry_after(self) -> float:
        """Seconds until it is worth asking again."""
        if self._open_until is None:
            return 0.0
        return max(self._open_until - self._clock.monotonic(), 1.0)

    def worked(self) -> None:
        """The transport answered: whatever it said about this message, it is there."""
        self._failures = 0
        self._open_until = None
        self._probes.clear()
        self.misconfigured = None

    def failed(self) -> None:
        """The transport did not work."""
        self._failures += 1
        if self._probes or self._failures >= self._policy.failures:
            self._open()

    def refused_us(self, reason: str) -> None:
        """The transport refuses us because of our settings: open at once, and say so."""
        self.misconfigured = reason
        self._open()

    def abandoned(self, *, urgent: bool) -> None:
        """The delivery was given up on our side (cancelled): nothing was learnt."""
        self._probes.discard(urgent)

    def _open(self) -> None:
        self._probes.clear()
        self._open_until = self._clock.monotonic() + self._policy.recovery
