"""Waiting for what another process does: asking it again and again, within the test's time-out."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.serve_process import ServeProcess


async def until(true: Callable[[], Awaitable[bool]], every: float = 0.02) -> None:
    """Wait until `true` says so, asking `every` so many seconds."""
    while not await true():  # noqa: ASYNC110  # another process sets no event of ours
        await asyncio.sleep(every)


async def completed(serve: ServeProcess, id: str) -> None:
    """Wait until a notification is completed."""

    async def is_completed() -> bool:
        answer = await serve.admin.get(f"/v1/notifications/{id}")
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["status"] == "completed")

    await until(is_completed)


async def logged(serve: ServeProcess, event: str) -> None:
    """Wait until it has logged `event` since its latest start."""

    async def is_logged() -> bool:
        return any(entry["event"] == event for entry in serve.log())

    await until(is_logged)
