"""The routes that send, which take nearly all requests, served without FastAPI's machinery."""

import re
from typing import Annotated

from fastapi import FastAPI, Header, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from flashnotify.api.auth import NOTIFY_KIND, authorize
from flashnotify.api.problems import error_response

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
    """A POST without a query, whose endpoint takes the request, principal and Idempotency-Key."""


class SendingRoutes:
    """Serves the sending routes of `app`, and leaves all other requests to it.

    To route a request and resolve its arguments costs FastAPI more CPU than all the rest of an
    accept. It still documents these routes, and gets each request with a query or an invalid key,
    of which it says what is wrong.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._routes = {r.path: r for r in app.routes if isinstance(r, SendingRoute)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        route = self._routes.get(scope["path"]) if scope.get("method") == "POST" else None
        if route is None or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        request = Request(scope, receive)
        key = request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            await self._app(scope, receive, send)
            return
        await self._serve(route, request, key, send)

    async def _serve(
        self, route: SendingRoute, request: Request, key: str | None, send: Send
    ) -> None:
        response: Response
        try:
            principal = await authorize(request, (NOTIFY_KIND,))
            response = await route.endpoint(request, principal, key)
        except ClientDisconnect:
            raise
        except Exception as error:
            response = error_response(request.scope, error)
            if response.status_code == 500:
                # The app answers, and `RequestBoundary` logs what nobody expected.
                await response(request.scope, request.receive, send)
                raise
        await response(request.scope, request.receive, send)
