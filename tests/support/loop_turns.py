"""Turns of the event loop: giving them to other tasks, and counting theirs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """The number of turns of other tasks so far."""

    number = 0


@asynccontextmanager
async def counted_turns() -> AsyncIterator[Turns]:
    """Count the turns of a task that takes every turn it can."""
    turns = Turns()

    async def other() -> None:
        while True:
            turns.number += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(other())
    try:
        yield turns
    finally:
        running.cancel()


async def some_turns() -> None:
    """Give everything that is not held back time to finish: it needs far fewer turns."""
    for _ in range(2000):
        await asyncio.sleep(0)
