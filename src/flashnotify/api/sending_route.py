"""The routes that send, which take nearly all requests."""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Header, Request, Response
from fastapi.routing import APIRoute

from flashnotify.api.auth import NOTIFY_KIND, authorize

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

IdempotencyHeader = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]+$",
        max_length=255,
        description="A repeated request with the same key is done once. Kept for 24 h.",
    ),
]


class SendingRoute(APIRoute):
    """A route whose endpoint takes the request, the principal and the Idempotency-Key.

    A request as it should be goes straight to the endpoint: to have FastAPI resolve the arguments
    costs about as much CPU as all the rest. One with a query, or with a key that is not valid, goes
    through FastAPI, which says what is wrong.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request."""
        resolve_and_handle = super().get_route_handler()

        async def handle(request: Request) -> Response:
            key = request.headers.get("idempotency-key")
            valid = key is None or _KEY.fullmatch(key) is not None
            if not valid or request.scope["query_string"]:
                return await resolve_and_handle(request)
            principal = await authorize(request, (NOTIFY_KIND,))
            response: Response = await self.endpoint(request, principal, key)
            return response

        return handle
