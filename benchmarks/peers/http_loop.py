"""Send SMS over httpx and aiohttp and nothing else: `… http_loop MESSAGES`, with $GATEWAY."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator

import httpx
import uvloop

from benchmarks.peers import gateway_client

_TEXT = "Fire drill: This is only a drill: practise the way out, then come back in."


async def _send(client: httpx.AsyncClient, numbers: Iterator[int]) -> None:
    for number in numbers:
        await gateway_client.send(client, f"+336{number:08d}", _TEXT, f"{number:036d}")


async def main(messages: int) -> None:
    """Send, and print how long it took."""
    numbers = iter(range(messages))
    async with gateway_client.client() as client:
        began, cpu = time.perf_counter(), time.process_time()
        senders = (_send(client, numbers) for _ in range(gateway_client.CONNECTIONS))
        await asyncio.gather(*senders)
        took = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(took))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
