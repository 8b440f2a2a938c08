"""How often others get the event loop while something is under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """The turns that others have had so far."""

    number = 0


@asynccontextmanager
async def counted_turns() -> AsyncIterator[Turns]:
    """Count the turns of a task that takes every one it can get."""
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
