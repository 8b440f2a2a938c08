"""What one step of the event loop costs: the CPU time for which others wait at most."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import thread_time
from unittest.mock import patch

from flashnotify.cli.serve import GC_THRESHOLDS

# The bound of the design, in seconds.
BOUND = 0.010
# A busy machine may spoil one measurement, hardly all of them.
MEASUREMENTS = 4


async def longest_step(work: Callable[[], Awaitable[object]]) -> float:
    """Return the CPU seconds of the longest callback while `work` is done in a task of its own.

    It is done again if that is over the bound, and the best result counts.
    """
    best = float("inf")
    for _ in range(MEASUREMENTS):
        with _measured() as steps:
            await asyncio.create_task(_run(work))
        best = min(best, max(steps))
        if best < BOUND:
            break
    return best


async def _run(work: Callable[[], Awaitable[object]]) -> None:
    await work()


@contextmanager
def _measured() -> Iterator[list[float]]:
    steps = [0.0]
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        before = thread_time()
        run(handle)
        steps.append(thread_time() - before)

    # As `serve` does: the heap of the tests themselves is not the service's.
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        with patch.object(asyncio.Handle, "_run", timed):
            yield steps
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
