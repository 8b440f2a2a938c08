"""Wait for what a `serve` process does."""

import asyncio

from tests.support.eventually import eventually
from tests.support.serve_process import ServeProcess


async def completed(serve: ServeProcess, id: str) -> None:
    """Wait until a notification is completed."""

    async def is_completed() -> bool:
        answer = await serve.admin.get(f"/v1/notifications/{id}")
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["status"] == "completed")

    await eventually(is_completed)


async def all_completed(serve: ServeProcess) -> None:
    """Wait until the archive says that there is nothing left to do."""
    for status in ("scheduled", "queued", "sending"):
        listing = f"/v1/notifications?limit=1&status={status}"

        async def none_is(listing: str = listing) -> bool:
            answer = await serve.admin.get(listing)
            assert answer.status_code == 200, answer.text
            return not answer.json()["items"]

        await eventually(none_is)


async def refused(serve: ServeProcess) -> None:
    """Wait until it refuses new connections."""

    async def is_refused() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", serve.port)
        except ConnectionError:
            return True
        writer.close()
        return False

    await eventually(is_refused)


async def logged(serve: ServeProcess, event: str) -> None:
    """Wait until it has logged `event` since its latest start."""

    async def is_logged() -> bool:
        return any(entry["event"] == event for entry in serve.log())

    await eventually(is_logged)
