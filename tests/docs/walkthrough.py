"""Runs a service from an edited copy of the source, for `test_contributing.py`, in its own process.

Takes notifications as a JSON array on standard input; prints what became of each as another.
"""

import asyncio
import json
import sys
from typing import Any

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.running import Running, running


async def follow(service: Running, document: dict[str, Any]) -> dict[str, Any]:
    """Send a notification: why it was refused, or its deliveries and what capture kept of it."""
    answer = await service.http.post("/v1/notifications", json=document)
    if answer.status_code != 202:
        return {"refused": answer.json()}
    id = answer.json()["id"]
    await service.completed(id)
    return {
        "deliveries": (await service.get(f"/v1/notifications/{id}/deliveries"))["items"],
        "outbox": (await service.get("/v1/outbox", notification=id))["items"],
        "kinds": (await service.get("/v1/kinds"))["items"],
    }


async def main() -> None:
    """Follow the notifications one by one."""
    async with running(Service(ServiceConfig())) as service:
        found = [await follow(service, document) for document in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
