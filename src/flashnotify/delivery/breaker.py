"""The circuit breaker of a transport: closed, open, half-open; and the pauses that it asks for."""

from enum import StrEnum
from typing import Literal, Self

from flashnotify.clock import Clock
from flashnotify.meta.specs import BreakerPolicy

# Seconds: a transport that asks for a longer pause is probed after this one.
_MAX_PAUSE = 600.0
# After a pause, deliveries go one at a time, then twice as many after each success, up to this.
_FULL_WIDTH = 64
# Seconds for a delivery to wait for its turn meanwhile.
_TURN = 1.0


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

    While it is not closed, `failing_since` says since when (ms since the epoch), and `error` what
    the transport answered last. `proven` is whether its last answer was a success.
    """

    def __init__(self, policy: BreakerPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._probes: set[bool] = set()  # the urgency of each
        self._paused_until = clock.monotonic()
        # How many may be under way, while the transport gets used to us again.
        self._width: int | None = None
        self._under_way = 0
        self.misconfigured: str | None = None
        self.failing_since: int | None = None
        self.error: str | None = None
        self.proven = False

    def sibling(self) -> Self:
        """Return a new, closed breaker with the same policy."""
        return type(self)(self._policy, self._clock)

    @property
    def state(self) -> BreakerState:
        """The state now."""
        if self._pause() > 0:
            return BreakerState.open
        if self._opened_at is None:
            return BreakerState.closed
        return BreakerState.open if self._remaining(urgent=False) > 0 else BreakerState.half_open

    @property
    def status(self) -> Literal["ok", "failing"]:
        """The state, for people."""
        return "ok" if self.state is BreakerState.closed else "failing"

    @property
    def next_probe_at(self) -> int | None:
        """When the next delivery may go (ms since the epoch), if none may go now."""
        wait = self.wait(urgent=False)
        return self._clock.now() + round(wait * 1000) if wait > 0 else None

    def wait(self, *, urgent: bool) -> float:
        """Return the seconds until a delivery may go; 0 if it may go now.

        While a probe is under way, that is the time until the next one at the earliest.
        """
        if (pause := self._pause()) > 0:
            return pause
        if self._width is not None and self._under_way >= self._width:
            return _TURN
        if self._opened_at is None:
            return 0.0
        if urgent in self._probes:
            return self._recovery(urgent=urgent)
        return max(self._remaining(urgent=urgent), 0.0)

    def allow(self, *, urgent: bool) -> bool:
        """Let a delivery go now, if it may. One of the reports below must follow each True."""
        if self.wait(urgent=urgent) > 0:
            return False
        self._under_way += 1
        if self._opened_at is not None:
            self._probes.add(urgent)
        return True

    def succeeded(self) -> None:
        """Report that the transport answered, whatever it said about the message."""
        self._end()
        self._failures = 0
        self._opened_at = None
        self._probes.clear()
        self.misconfigured = self.failing_since = self.error = None
        self.proven = True
        if self._width is not None:
            self._width = 2 * self._width if self._width < _FULL_WIDTH else None

    def failed(self, reason: str) -> None:
        """Report that the transport did not work."""
        self._end()
        self._failures += 1
        self.error = reason
        self.proven = False
        if self._probes or self._failures >= self._policy.failures:
            self._open()

    def misconfigure(self, reason: str) -> None:
        """Report that the transport refuses our settings: open at once, and keep the reason."""
        self._end()
        self.misconfigured = self.error = reason
        self.proven = False
        self._open()

    def abandoned(self, *, urgent: bool) -> None:
        """Report that the delivery ended on our side: it says nothing about the transport."""
        self._end()
        self._probes.discard(urgent)

    def pause(self, seconds: float, reason: str) -> None:
        """Keep all deliveries back, as the transport asks; then let them go one at a time at first.

        It comes after one of the reports above.
        """
        until = self._clock.monotonic() + min(seconds, _MAX_PAUSE)
        self._paused_until = max(self._paused_until, until)
        self._width = 1
        self._fail_from_now()
        self.error = reason

    def _end(self) -> None:
        self._under_way = max(self._under_way - 1, 0)

    def _open(self) -> None:
        self._probes.clear()
        self._opened_at = self._clock.monotonic()
        self._fail_from_now()

    def _fail_from_now(self) -> None:
        if self.failing_since is None:
            self.failing_since = self._clock.now()

    def _pause(self) -> float:
        return self._paused_until - self._clock.monotonic()

    def _recovery(self, *, urgent: bool) -> float:
        recovery = self._policy.recovery
        return min(recovery, self._policy.urgent_recovery) if urgent else recovery

    def _remaining(self, *, urgent: bool) -> float:
        """Return the seconds until a probe may go."""
        assert self._opened_at is not None
        return self._opened_at + self._recovery(urgent=urgent) - self._clock.monotonic()
