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

    After `policy.failures` failures in a row it opens for `policy.recovery` seconds. What is urgent
    may probe sooner, after `policy.urgent_recovery`, and beside a delivery that is not: it may be
    only the bulk that fails, and a probe of its that hangs.
    """

    def __init__(self, policy: BreakerPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._probes: set[bool] = set()  # the urgency of each
        self.misconfigured: str | None = None

    def another(self) -> Breaker:
        """A new one, closed, of the same policy."""
        return Breaker(self._policy, self._clock)

    @property
    def state(self) -> BreakerState:
        """The state now."""
        if self._opened_at is None:
            return BreakerState.closed
        return BreakerState.open if self._left(urgent=False) > 0 else BreakerState.half_open

    def allow(self, *, urgent: bool) -> bool:
        """True if a delivery may try now. Each true must be answered by a report below."""
        if self._opened_at is None:
            return True
        if self._left(urgent=urgent) > 0 or urgent in self._probes:
            return False
        self._probes.add(urgent)
        return True

    def retry_after(self, *, urgent: bool) -> float:
        """Seconds until it is worth asking again."""
        return max(self._left(urgent=urgent), 1.0) if self._opened_at is not None else 0.0

    def worked(self) -> None:
        """The transport answered: whatever it said about this message, it is there."""
        self._failures = 0
        self._opened_at = None
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
        self._opened_at = self._clock.monotonic()

    def _left(self, *, urgent: bool) -> float:
        """Seconds until a probe may go, since it opened."""
        assert self._opened_at is not None
        recovery = self._policy.recovery
        if urgent:
            recovery = min(recovery, self._policy.urgent_recovery)
        return self._opened_at + recovery - self._clock.monotonic()
