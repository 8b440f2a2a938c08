"""The SCIM endpoints, imported by a thread with the first request to them."""

import asyncio
from collections.abc import Callable
from importlib import import_module

from starlette.types import ASGIApp, Receive, Scope, Send

from flashnotify.queue.thread_pool_queue import ThreadPoolQueue

_APPLICATION = "flashnotify.facades.scim.application"
# Seconds that the import may take on a busy machine.
_WITHIN = 60.0


class LoadedOnDemand:
    """An app that is made of the application's module with the first request.

    A thread imports the module, so that the event loop goes on: to import scim2-models takes half a
    second, and memory that a campus without SCIM does not need.
    """

    def __init__(self, make: Callable[..., ASGIApp], threads: ThreadPoolQueue) -> None:
        self._make = make
        self._threads = threads
        self._loading: asyncio.Task[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        loading = self._loading
        if loading is None or (loading.done() and loading.exception() is not None):
            loading = self._loading = asyncio.create_task(self._load())
        app = await asyncio.shield(loading)
        await app(scope, receive, send)

    async def _load(self) -> ASGIApp:
        module = await self._threads.run(lambda: import_module(_APPLICATION), within=_WITHIN)
        return self._make(module.scim_app, module.Http)
