"""Long work in slices: other tasks get the event loop in between."""

import asyncio
from collections import deque
from time import perf_counter

# A slice ends after so many seconds, or steps. The last step may take several milliseconds.
_SECONDS = 0.002
_STEPS = 100


class TimeSlices:
    """Gives long work one slice in each turn of the event loop, measured by what it costs.

    A service has one for all of its long work: whoever waits longest gets the next slice.
    """

    def __init__(self) -> None:
        # When the slice of this turn began, if it has.
        self._since: float | None = None
        self._steps = 0
        self._waiting: deque[object] = deque()

    async def step(self) -> None:
        """Begin a step; let other tasks run first if the slice is over."""
        if self._over():
            await self._next_turn()
        if self._since is None:
            self._since = perf_counter()
            self._steps = 0
            asyncio.get_running_loop().call_soon(self._end)
        self._steps += 1

    def _over(self) -> bool:
        if self._since is None:
            return False
        return self._steps >= _STEPS or perf_counter() - self._since > _SECONDS

    def _end(self) -> None:
        self._since = None

    async def _next_turn(self) -> None:
        ticket = object()
        self._waiting.append(ticket)
        try:
            # An event would cost each waiter another turn.
            while self._over() or self._waiting[0] is not ticket:  # noqa: ASYNC110
                await asyncio.sleep(0)
        finally:
            self._waiting.remove(ticket)
