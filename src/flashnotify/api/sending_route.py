"""The routes that send, which take nearly all requests, served without FastAPI's machinery."""

import re
from collections.abc import Iterable
from typing import Annotated

from fastapi import FastAPI, Header, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from flashnotify.api.auth import NOTIFY_KIND, authorize
from flashnotify.api.headers import header
from flashnotify.api.parameters import reads_query
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
    """A POST whose endpoint takes the request, principal, Idempotency-Key and path parameters.

    It has no query, or reads it itself.
    """

    def reads(self, query: bytes) -> bool:
        """Return whether the endpoint reads all of a query itself."""
        # FastAPI reads how long to wait.
        return not query or (reads_query(self) and b"wait" not in query)


class SendingRoutes:
    """Serves the sending routes of `app`, and leaves all other requests to it.

    To route a request and resolve its arguments costs FastAPI more CPU than all the rest of an
    accept. It still documents these routes, and gets each request with an invalid key, or with a
    query that the endpoint does not read itself: it says what is wrong.
    """

    def __init__(self, app: FastAPI, kinds: Iterable[str]) -> None:
        self._app = app
        self._routes = {
            route.path.format(kind=kind): (route, {"kind": kind} if "{kind}" in route.path else {})
            for route in app.routes
            if isinstance(route, SendingRoute)
            for kind in kinds
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        found = self._routes.get(scope["path"]) if scope.get("method") == "POST" else None
        key = header(scope, b"idempotency-key") if found is not None else None
        if found is None or not found[0].reads(scope["query_string"]) or not _is_valid(key):
            await self._app(scope, receive, send)
            return
        scope["app"], (scope["route"], scope["path_params"]) = self._app, found
        await self._serve(Request(scope, receive), key, send)

    async def _serve(self, request: Request, key: str | None, send: Send) -> None:
        response: Response
        try:
            principal = await authorize(request, (NOTIFY_KIND,))
            given = request.scope["path_params"]
            endpoint = request.scope["route"].endpoint
            response = await endpoint(
                request=request, principal=principal, idempotency_key=key, **given
            )
        except ClientDisconnect:
            raise
        except Exception as error:
            response = error_response(request.scope, error)
            if response.status_code == 500:
                # The app answers, and `RequestBoundary` logs what nobody expected.
                await response(request.scope, request.receive, send)
                raise
        await response(request.scope, request.receive, send)


def _is_valid(key: str | None) -> bool:
    return key is None or _KEY.fullmatch(key) is not None
