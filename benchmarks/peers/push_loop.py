"""Encrypt and send Web Push over httpx and aiohttp: `… push_loop MESSAGES`."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator

import http_ece
import httpx
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.peers import gateway_client
from benchmarks.subscriptions import Keys

_MESSAGE = json.dumps(
    {"id": "0" * 36, "title": "Fire drill", "body": "This is only a drill: practise the way out."}
).encode()
_HEADERS = {"Content-Encoding": "aes128gcm", "TTL": "2419200", "Urgency": "high"}


async def _send(client: httpx.AsyncClient, keys: Keys, numbers: Iterator[int]) -> None:
    for number in numbers:
        encrypted = http_ece.encrypt(
            _MESSAGE,
            private_key=ec.generate_private_key(ec.SECP256R1()),
            dh=keys.public,
            auth_secret=keys.auth,
            version="aes128gcm",
        )
        url = f"{os.environ['GATEWAY']}push/{number}"
        answer = await client.post(url, content=encrypted, headers=_HEADERS)
        answer.raise_for_status()


async def main(messages: int) -> None:
    """Encrypt and send, and print how long it took."""
    numbers, keys = iter(range(messages)), Keys.create()
    async with gateway_client.client() as client:
        began, cpu = time.perf_counter(), time.process_time()
        senders = (_send(client, keys, numbers) for _ in range(gateway_client.CONNECTIONS))
        await asyncio.gather(*senders)
        took = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(took))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
