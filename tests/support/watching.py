"""Waiting for what another process does: asking it again and again, within the test's time-out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.support.serve_process import ServeProcess

T = TypeVar("T")


async def until(ask: Callable[[], Awaitable[T]], every: float = 0.02) -> T:
    """The first answer of `ask` that is not empty or false, asking `every` so many seconds."""
    while not (answer := await ask()):  # noqa: ASYNC110  # another process sets no event of ours
        await asyncio.sleep(every)
    return answer


async def completed(serve: ServeProcess, id: str) -> None:
    """Wait until a notification is completed."""

    async def is_completed() -> bool:
        answer = await serve.admin.get(f"/v1/notifications/{id}")
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["status"] == "completed")

    await until(is_completed)


async def all_completed(serve: ServeProcess) -> None:
    """Wait until the archive says that there is nothing left to do."""
    for status in ("scheduled", "queued", "sending"):
        listing = f"/v1/notifications?limit=1&status={status}"

        async def none_is(listing: str = listing) -> bool:
            answer = await serve.admin.get(listing)
            assert answer.status_code == 200, answer.text
            return not answer.json()["items"]

        await until(none_is)


async def refused(serve: ServeProcess) -> None:
    """Wait until it refuses new connections."""

    async def is_refused() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", serve.port)
        except ConnectionError:
            return True
        writer.close()
        return False

    await until(is_refused)


async def logged(serve: ServeProcess, event: str) -> None:
    """Wait until it has logged `event` since its latest start."""

    async def is_logged() -> bool:
        return any(entry["event"] == event for entry in serve.log())

    await until(is_logged)
