"""The service in this process, with HTTP clients that need no network."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import httpx

from flashnotify.api.middleware import LocalSocket
from flashnotify.app import Service
from flashnotify.identity import passwords
from tests.support.archives import empty_archive
from tests.support.eventually import eventually

ACADEMIC: dict[str, Any] = {
    "kind": "academic",
    "title": "Room changed",
    "body": "The exam takes place in room B204.",
    "to": ["mailto:ada@univ.example"],
    "data": {"course": "ALG-2", "room": "B204"},
}

SECURITY: dict[str, Any] = {
    "kind": "security",
    "to": ["tel:+33612345678"],
    "title": "Fire in building B",
    "body": "Do not use the lifts.",
    "data": {"location": "Building B", "instructions": "Leave\nthe building."},
}


class Running:
    """A running service. `http` is an admin, `anonymous` has no key."""

    def __init__(
        self, service: Service, http: httpx.AsyncClient, anonymous: httpx.AsyncClient
    ) -> None:
        self.service = service
        self.http = http
        self.anonymous = anonymous

    async def key(self, *scopes: str, **more: Any) -> dict[str, str]:
        """Create an API key, and return its headers."""
        wanted = {"name": "test", "scopes": list(scopes), **more}
        answer = await self.http.post("/v1/api-keys", json=wanted)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['key']}"}

    async def send(self, **changes: Any) -> str:
        """Send the academic example with `changes`, and return its id."""
        answer = await self.http.post("/v1/notifications", json=ACADEMIC | changes)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a successful GET."""
        # Empty ones would take the query from the path.
        answer = await self.http.get(path, params=params or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until(self, path: str, true: Callable[[Any], bool]) -> Any:
        """Repeat a GET until its JSON satisfies `true`."""
        return await eventually(lambda: self.get(path), true)

    async def ready(self) -> Any:
        """Return `/readyz` once it accepts: a commit looks stuck if the clock moves meanwhile."""

        async def shown() -> Any:
            return (await self.http.get("/readyz")).json()

        return await eventually(shown, lambda found: found["status"] != "failed")

    async def completed(self, id: str) -> Any:
        """Return the notification once it is completed."""
        return await self.until(
            f"/v1/notifications/{id}", lambda found: found["status"] == "completed"
        )


@asynccontextmanager
async def running(service: Service, *, deliver: bool = True) -> AsyncIterator[Running]:
    """Open and start a service, and stop it at the end."""
    file = service.config.archive_file
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(await asyncio.to_thread(empty_archive))
    await service.open()
    try:
        # Argon2id with its least memory: a hash takes no time.
        with patch.object(passwords, "_MEMORY", 8):
            app = service.app()
        if deliver:
            await service.start()
        admin = httpx.ASGITransport(LocalSocket(app))
        anyone = httpx.ASGITransport(app)
        async with (
            httpx.AsyncClient(transport=admin, base_url="http://test") as http,
            httpx.AsyncClient(transport=anyone, base_url="http://test") as anonymous,
        ):
            yield Running(service, http, anonymous)
        await service.drain()
    finally:
        await service.close()
