"""The circuit breaker of a transport: closed, open, half-open."""

from enum import StrEnum
from typing import Self

from flashnotify.clock import Clock
from flashnotify.meta.specs import BreakerPolicy


class BreakerState(StrEnum):
    """Whether a transport is used."""

    closed = "closed"
    open = "open"
    half_open = "half_open"


class Breaker:
    """Leaves a failing transport alone, then lets one delivery at a time probe it.

    After `policy.failures` consecutive failures it opens for `policy.recovery` seconds. An urgent
    delivery may probe sooner, after `policy.urgent_recovery`, even while a non-urgent probe is
    under way: the failure may be specific to bulk, and a bulk probe may hang.
    """

    def __init__(self, policy: BreakerPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._probes: set[bool] = set()  # the urgency of each
        self.misconfigured: str | None = None

    def sibling(self) -> Self:
        """Return a new, closed breaker with the same policy."""
        return type(self)(self._policy, self._clock)

    @property
    def state(self) -> BreakerState:
        """The state now."""
        if self._opened_at is None:
            return BreakerState.closed
        return BreakerState.open if self._remaining(urgent=False) > 0 else BreakerState.half_open

    def wait(self, *, urgent: bool) -> float:
        """Return the seconds until a delivery may go; 0 if it may go now.

        While a probe is under way, that is the time until the next one at the earliest.
        """
        if self._opened_at is None:
            return 0.0
        if urgent in self._probes:
            return self._recovery(urgent=urgent)
        return max(self._remaining(urgent=urgent), 0.0)

    def allow(self, *, urgent: bool) -> bool:
        """Let a delivery go now, if it may. One of the reports below must follow each True."""
        if self.wait(urgent=urgent) > 0:
            return False
        if self._opened_at is not None:
            self._probes.add(urgent)
        return True

    def succeeded(self) -> None:
        """Report that the transport answered, whatever it said about the message."""
        self._failures = 0
        self._opened_at = None
        self._probes.clear()
        self.misconfigured = None

    def failed(self) -> None:
        """Report that the transport did not work."""
        self._failures += 1
        if self._probes or self._failures >= self._policy.failures:
            self._open()

    def misconfigure(self, reason: str) -> None:
        """Report that the transport refuses our settings: open at once, and keep the reason."""
        self.misconfigured = reason
        self._open()

    def abandoned(self, *, urgent: bool) -> None:
        """Report that the delivery ended on our side: it says nothing about the transport."""
        self._probes.discard(urgent)

    def _open(self) -> None:
        self._probes.clear()
        self._opened_at = self._clock.monotonic()

    def _recovery(self, *, urgent: bool) -> float:
        recovery = self._policy.recovery
        return min(recovery, self._policy.urgent_recovery) if urgent else recovery

    def _remaining(self, *, urgent: bool) -> float:
        """Return the seconds until a probe may go."""
        assert self._opened_at is not None
        return self._opened_at + self._recovery(urgent=urgent) - self._clock.monotonic()
