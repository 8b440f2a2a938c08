"""Errors as RFC 9457 problem details."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import anyio
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flashnotify.errors import (
    Conflict,
    DocumentTooLarge,
    FieldError,
    FlashNotifyError,
    IdempotencyMismatch,
    InvalidInput,
    MalformedDocument,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RequestTimeout,
    TooFast,
    Unavailable,
    UnsupportedMediaType,
    WriteRefused,
    stack_of,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_CRASHED = "Something went wrong here, and is in the log under this request_id."

# What each error is over HTTP: status and the last part of the problem's type.
_KINDS: Mapping[type[FlashNotifyError], tuple[HTTPStatus, str]] = {
    MalformedDocument: (HTTPStatus.BAD_REQUEST, "malformed-document"),
    NotAuthenticated: (HTTPStatus.UNAUTHORIZED, "not-authenticated"),
    NotPermitted: (HTTPStatus.FORBIDDEN, "not-permitted"),
    NotFound: (HTTPStatus.NOT_FOUND, "not-found"),
    DocumentTooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "document-too-large"),
    RequestTimeout: (HTTPStatus.REQUEST_TIMEOUT, "request-timeout"),
    UnsupportedMediaType: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"),
    InvalidInput: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-input"),
    IdempotencyMismatch: (HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-mismatch"),
    Conflict: (HTTPStatus.CONFLICT, "conflict"),
    TooFast: (HTTPStatus.TOO_MANY_REQUESTS, "too-fast"),
    Unavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    WriteRefused: (HTTPStatus.CONFLICT, "conflict"),
}


class FaultyField(BaseModel):
    """One fault in the caller's document."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """Problem details (RFC 9457, section 3.1)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FaultyField] | None = None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses of an endpoint that may answer with these problems."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    app.add_exception_handler(FlashNotifyError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_crash)


def problem(error: FlashNotifyError) -> dict[str, Any]:
    """The problem details of an error, but for the request's id."""
    status, slug = _KINDS.get(type(error), (HTTPStatus.INTERNAL_SERVER_ERROR, "internal"))
    content = {
        "type": f"urn:flashnotify:problem:{slug}",
        "title": status.phrase,
        "status": int(status),
        "detail": str(error),
    }
    if isinstance(error, InvalidInput):
        content["detail"] = "The request is not right in the places that `errors` lists."
        content["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in error.errors]
    return content


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FlashNotifyError)
    headers: dict[str, str] = {}
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Unavailable | TooFast):
        headers["Retry-After"] = str(error.retry_after)
    return _response(request.scope, problem(error), headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    """A fault in the query or a header: FastAPI's own validation."""
    assert isinstance(error, RequestValidationError)
    errors = [
        FieldError.at(fault["loc"][1:], str(fault["msg"]).removeprefix("Value error, "))
        for fault in error.errors()
    ]
    return await _on_error(request, InvalidInput(errors))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = {
        404: "There is nothing at this path. The API is described at /docs.",
        405: "This path does not take this method. The API is described at /docs.",
    }.get(status, error.detail)
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods_at(request)):
        headers["Allow"] = ", ".join(methods)
    content = {
        "type": f"urn:flashnotify:problem:{status.phrase.lower().replace(' ', '-')}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
    }
    return _response(request.scope, content, headers)


def _methods_at(request: Request) -> list[str]:
    """The methods of a path (RFC 9110, section 10.2.1). Starlette names those of one route only."""
    wanted = request.scope["path"]
    paths = request.app.openapi()["paths"]
    if wanted in paths:
        return [method.upper() for method in paths[wanted]]
    return [
        method.upper()
        for path, operations in paths.items()
        if compile_path(path)[0].match(wanted)
        for method in operations
    ]


async def _on_crash(request: Request, error: Exception) -> Response:
    """What nobody expected. Starlette raises it on, and `RequestBoundary` logs it."""
    return _response(request.scope, problem(FlashNotifyError(_CRASHED)), {})


def _response(scope: Scope, content: dict[str, Any], headers: Mapping[str, str]) -> Response:
    content = {**content, "request_id": scope["state"]["request_id"]}
    # A lone surrogate, which JSON can name and UTF-8 cannot hold, stays the escape it came as.
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(body, content["status"], headers=dict(headers), media_type=MEDIA_TYPE)


def _client_gone(error: Exception) -> bool:
    """Whether this is how a request or an event stream ends when its client has gone."""
    if isinstance(error, ClientDisconnect):
        return True
    return isinstance(error, ExceptionGroup) and error.split(anyio.BrokenResourceError)[1] is None


class RequestBoundary:
    """Gives each request an id (`X-Request-ID`), and logs what nobody expected.

    Headers that a dependency leaves in `state["headers"]` go with the answer, whatever it is.
    """

    def __init__(self, app: ASGIApp, ids: Any) -> None:
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._ids().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = answered = False

        async def send_with_id(message: Message) -> None:
            nonlocal started, answered
            if message["type"] == "http.response.body":
                answered = not message.get("more_body", False)
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [
                    *message["headers"],
                    *scope["state"].get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except asyncio.CancelledError:
            # The service stops, and this request took longer than it can wait.
            if not started:
                stopping = Unavailable("The service is stopping.", retry_after=5)
                response = await _on_error(Request(scope), stopping)
                await response(scope, receive, send_with_id)
            raise
        except Exception as error:  # noqa: BLE001  # `_on_crash` has answered
            if _client_gone(error):
                return
            log.error(
                "request.crashed",
                request_id=request_id,
                path=scope["path"],
                error=type(error).__name__,
                stack=stack_of(error),
            )
            if not answered:
                # The server breaks the connection off, and logs this; the error may quote data.
                raise RuntimeError("a response was broken off") from None
