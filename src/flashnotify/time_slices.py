"""Long work in slices: other tasks get the event loop in between."""

import asyncio
from time import perf_counter

# A slice ends after so many seconds, or steps.
_SECONDS = 0.004
_STEPS = 100


class TimeSlices:
    """Measures one piece of work by what it costs, since its steps may cost anything.

    Several tasks may share the work: each slice is one for all of them.
    """

    def __init__(self) -> None:
        self._since = perf_counter()
        self._steps = self._slice = 0

    async def step(self) -> None:
        """Begin a step; let other tasks run first if the slice is over."""
        while self._steps >= _STEPS or perf_counter() - self._since > _SECONDS:
            ended = self._slice
            await asyncio.sleep(0)
            if self._slice == ended:
                # The first task to go on begins another slice.
                self._slice += 1
                self._steps = 0
                self._since = perf_counter()
        self._steps += 1
