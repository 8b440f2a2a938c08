"""The only source of time, so that tests can set it and never sleep."""

import asyncio
import time
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

# Seconds: a larger difference between the wall clock and the monotonic one is a jump, and for how
# long a jump is doubted.
_JUMP, _DOUBT = 60.0, 3600.0


class Clock(Protocol):
    """Time as the service sees it."""

    def now(self) -> int:
        """Return the wall-clock time in milliseconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start. Never goes back; for durations only."""

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
        return time.monotonic()

    def in_doubt(self) -> bool:
        """Return whether the wall clock jumped in the last hour and was not set back since.

        To be called often, so that the slow drift of a clock is not taken for a jump.
        """
        offset, now = self._offset(), self.monotonic()
        if abs(offset - self._trusted) <= _JUMP:
            if self._jumped is not None:
                log.warning("clock.set_back", meaning="it is where it was before it jumped")
        elif self._jumped is None:
            self._jumped = now
            meaning = "nothing is purged or given up for an hour"
            log.error("clock.jumped", seconds=round(offset - self._trusted), meaning=meaning)
            return True
        elif now - self._jumped < _DOUBT:
            return True
        self._trusted, self._jumped = offset, None
        return False

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
