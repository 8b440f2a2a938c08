"""The only source of time, so that tests can set it and never sleep."""

import asyncio
import time
from typing import Protocol

# Seconds: a larger difference between the wall clock and the monotonic one is a jump, and for how
# long a jump is doubted.
_JUMP, _DOUBT = 60.0, 3600.0
# Milliseconds for which a service may be stopped before its clock is doubted at the next start.
_STOPPED = 7 * 24 * 3_600_000
# On Linux, a clock that goes on while the machine is suspended: waking up is no jump.
_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Time as the service sees it."""

    def now(self) -> int:
        """Return the wall-clock time in milliseconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start. Never goes back; for durations only."""

    def resume(self, latest: int) -> None:
        """Continue after `latest`, the last time (ms since the epoch) known from before the start.

        If it is days away, the clock is in doubt.
        """

    def in_doubt(self) -> bool:
        """Return whether the wall clock jumped lately: nothing may be purged or given up then."""

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        """Wait up to `seconds` for `event`; return whether it was set."""


class SystemClock:
    """The machine's clock."""

    def __init__(self) -> None:
        # Seconds from the monotonic clock to the wall clock, before a jump and after.
        self._trusted = self._offset()
        self._jumped: float | None = None

    def now(self) -> int:
        """Return the wall-clock time in milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        return time.clock_gettime(_MONOTONIC)

    def resume(self, latest: int) -> None:
        """Continue after `latest`; doubt a clock that is more than a week away from it."""
        if abs(self.now() - latest) > _STOPPED:
            self._trusted = latest / 1000 - self.monotonic()

    def in_doubt(self) -> bool:
        """Return whether the wall clock jumped in the last hour and was not set back since.

        To be called often, so that the slow drift of a clock is not taken for a jump.
        """
        offset, now = self._offset(), self.monotonic()
        if abs(offset - self._trusted) <= _JUMP:
            self._trusted, self._jumped = offset, None
            return False
        if self._jumped is None:
            self._jumped = now
        elif now - self._jumped >= _DOUBT:
            self._trusted, self._jumped = offset, None
        return self._jumped is not None

    def _offset(self) -> float:
        return self.now() / 1000 - self.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        """Wait up to `seconds` for `event`; return whether it was set."""
        try:
            async with asyncio.timeout(seconds):
                return await event.wait()
        except TimeoutError:
            return False
