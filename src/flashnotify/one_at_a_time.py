"""Changes that are made one after the other."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class OneAtATime:
    """Runs coroutines one at a time, each to its end even if its caller is cancelled."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        # The loop itself holds tasks weakly, and a caller that is cancelled lets go of its own.
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, change: Coroutine[Any, Any, T]) -> T:
        """Return what `change` returns, or raise what it raises, once those before it are done."""
        task = asyncio.create_task(self._in_turn(change))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _in_turn(self, change: Coroutine[Any, Any, T]) -> T:
        async with self._lock:
            return await change
