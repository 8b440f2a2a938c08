"""How arq's and taskiq's workers send an SMS, and how a bare loop does: httpx over aiohttp."""

import os

import httpx
from httpx_aiohttp import HttpxAiohttpClient

# FlashNotify's default.
CONNECTIONS = int(os.environ.get("CONNECTIONS", "16"))


def client() -> httpx.AsyncClient:
    """Return a client with as many connections as FlashNotify has."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    # Typed here: where `make bench` has not installed it, it has no types.
    made: httpx.AsyncClient = HttpxAiohttpClient(limits=limits, timeout=60)
    return made


async def send(client: httpx.AsyncClient, to: str, text: str, reference: str) -> str:
    """Send one SMS, and return what the gateway answers."""
    message = {"to": to, "text": text, "from": "Campus", "reference": reference}
    answer = await client.post(os.environ["GATEWAY"], json=message)
    answer.raise_for_status()
    return answer.text
