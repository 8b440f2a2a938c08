"""What `make run` shows: the address, a key to try things with, and two lines to paste."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx
from starlette.types import ASGIApp

from flashnotify.api.requests import LocalSocket
from flashnotify.settings import ServiceConfig

_EXAMPLE = {
    "kind": "academic",
    "title": "Room changed",
    "body": "The ALG-2 exam takes place in room B204.",
    "to": ["mailto:ada@univ.example"],
    "data": {"course": "ALG-2", "room": "B204"},
}


async def show(app: ASGIApp, port: int, *, config: ServiceConfig, host: str) -> None:
    """Print the address, the trial key and the lines; make the key if there is none that works."""
    path = config.archive_file.with_name("trial.key")
    transport = httpx.ASGITransport(app)
    local = httpx.ASGITransport(LocalSocket(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://flashnotify") as http:
        key = path.read_text().strip() if path.is_file() else ""
        works = bool(key) and (await http.get("/v1/outbox", headers=_bearer(key))).is_success
    if not works:
        async with httpx.AsyncClient(transport=local, base_url="http://flashnotify") as http:
            wanted = {"name": "trial", "scopes": ["notify:*", "read"]}
            answer = await http.post("/v1/api-keys", json=wanted)
            key = answer.raise_for_status().json()["key"]
        _keep(path, key)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    document = json.dumps(_EXAMPLE)
    print(
        f"""
FlashNotify answers at {address}
Trial API key, kept in {path}: {key}

Send a notification:
  curl {address}/v1/notifications -H 'Authorization: Bearer {key}' \\
    -H 'Content-Type: application/json' -d '{document}'

See what its recipient would have got:
  curl '{address}/v1/outbox?limit=1' -H 'Authorization: Bearer {key}'
""",
        flush=True,
    )


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _keep(path: Path, key: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key + "\n")
