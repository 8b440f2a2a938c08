"""Long work in slices: other tasks get the event loop in between."""

import asyncio
from heapq import heappop, heappush
from itertools import count
from time import perf_counter

# A slice ends after so many seconds, or steps. The last step may take several milliseconds.
_SECONDS = 0.002
_STEPS = 100
# Those who wait that are woken for a slice: about as many as it has room for.
_WOKEN = 16


class TimeSlices:
    """Gives long work one slice in each turn of the event loop, measured by what it costs.

    A service has one for all of its long work: whoever waits longest gets the next slice.
    """

    def __init__(self) -> None:
        # When the slice of this turn began, if it has.
        self._since: float | None = None
        self._steps = 0
        # Who waits for another turn, by the order in which they came.
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._tickets = count()
        self._next: asyncio.Handle | None = None

    async def step(self) -> None:
        """Begin a step; let other tasks run first if the slice is over."""
        if self._waiting or self._over():
            ticket = next(self._tickets)
            await self._another_turn(ticket)
            while self._over():
                await self._another_turn(ticket)
        if self._since is None:
            self._since = perf_counter()
            self._steps = 0
            self._end_with_turn()
        self._steps += 1

    def _over(self) -> bool:
        if self._since is None:
            return False
        return self._steps >= _STEPS or perf_counter() - self._since > _SECONDS

    async def _another_turn(self, ticket: int) -> None:
        woken = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (ticket, woken))
        self._end_with_turn()
        await woken

    def _end_with_turn(self) -> None:
        if self._next is None:
            self._next = asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        """End the slice of a turn, and wake who takes steps in the next one."""
        self._since = self._next = None
        for _ in range(min(_WOKEN, len(self._waiting))):
            _, woken = heappop(self._waiting)
            if not woken.done():
                woken.set_result(None)
        if self._waiting:
            self._end_with_turn()
