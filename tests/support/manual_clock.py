"""A clock that a test moves by hand."""

import asyncio
import heapq
import itertools


class ManualClock:
    """A `flashnotify.clock.Clock` that stands still until `advance`."""

    def __init__(self, now: int = 1_800_000_000_000) -> None:
        self._now = now
        self._started = now
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self.doubted = False
        # The latest time that is known from before the start.
        self.resumed: int | None = None

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._started) / 1000

    def resume(self, latest: int) -> None:
        self.resumed = latest

    def in_doubt(self) -> bool:
        return self.doubted

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back; the monotonic clock and sleepers do not see it."""
        ms = round(seconds * 1000)
        self._now += ms
        self._started += ms
        self._sleepers = [(at + ms, order, sleeper) for at, order, sleeper in self._sleepers]

    async def sleep(self, seconds: float) -> None:
        await self._until(self._now + round(seconds * 1000))

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        waiting = asyncio.ensure_future(event.wait())
        try:
            if seconds is None:
                await waiting
                return True
            sleeping = asyncio.ensure_future(self._until(self._now + round(seconds * 1000)))
            try:
                await asyncio.wait({waiting, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeping.cancel()
            return event.is_set()
        finally:
            waiting.cancel()

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking each sleeper at its time."""
        end = self._now + round(seconds * 1000)
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, sleeper = heapq.heappop(self._sleepers)
            self._now = max(self._now, at)
            if not sleeper.done():
                sleeper.set_result(None)
            await asyncio.sleep(0)
        self._now = end
        await asyncio.sleep(0)

    async def skip(self, seconds: float) -> None:
        """Let `seconds` pass while the machine sleeps: each sleeper wakes once, at their end."""
        self._now += round(seconds * 1000)
        await self.advance(0)

    async def _until(self, at: int) -> None:
        if at <= self._now:  # `advance` went past it before this coroutine began
            await asyncio.sleep(0)
            return
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (at, next(self._order), sleeper))
        await sleeper
