"""The only source of time, so that tests can set it and never sleep."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time as the service sees it."""

    def now(self) -> int:
        """Return the wall-clock time in milliseconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start. Never goes back; for durations only."""

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        """Wait up to `seconds` for `event`; return whether it was set."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return the wall-clock time in milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        return time.monotonic()

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
