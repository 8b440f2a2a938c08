"""The threads of database connections, which end a little after the connections do."""

import asyncio
import threading


async def ended() -> None:
    """Wait until those of closed connections have said their last word to the event loop."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join)
