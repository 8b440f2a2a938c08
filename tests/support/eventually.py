"""Wait until a condition holds."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

# Turns of the event loop to ask at before pausing, and the pauses in seconds. Threads and other
# processes need the processor meanwhile.
_TURNS = 50
_SHORTEST, _LONGEST = 0.001, 0.02


@overload
async def eventually(ask: Callable[[], Awaitable[T]], holds: Callable[[T], object] = ...) -> T: ...
@overload
async def eventually(ask: Callable[[], T], holds: Callable[[T], object] = ...) -> T: ...
async def eventually(ask: Callable[[], Any], holds: Callable[[Any], object] = bool) -> Any:
    """Ask until the answer satisfies `holds`, and return it. The test's timeout bounds the wait."""
    turns, pause = 0, _SHORTEST
    while True:
        answer = ask()
        if inspect.isawaitable(answer):
            answer = await answer
        if holds(answer):
            return answer
        turns += 1
        await asyncio.sleep(0 if turns <= _TURNS else pause)
        if turns > _TURNS:
            pause = min(2 * pause, _LONGEST)
