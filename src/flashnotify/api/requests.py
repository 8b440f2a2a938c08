"""What every endpoint asks of a request: who sent it, its body within a limit, which page."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from pydantic import BaseModel, PlainValidator, ValidationError, WithJsonSchema
from starlette.types import ASGIApp, Receive, Scope, Send

from flashnotify.errors import (
    DocumentTooLarge,
    FieldError,
    InvalidInput,
    MalformedDocument,
    NotAuthenticated,
    RequestTimeout,
    TooFast,
    UnsupportedMediaType,
)
from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.principal import LOCAL_ADMIN, Caller
from flashnotify.identity.rate_limits import Rates
from flashnotify.meta import descriptors

Limit = Annotated[int, Query(ge=1, le=200, description="Most items of this page.")]
Cursor = Annotated[
    str | None,
    Query(
        description="The `next` of the page before.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]{22}$"},
    ),
]
# ISO 8601 with an offset, as everywhere; pydantic by itself would take numbers too.
Moment = Annotated[
    datetime,
    PlainValidator(descriptors.Moment().validate, json_schema_input_type=str),
    WithJsonSchema(descriptors.Moment().schema()),
]
# Seconds that a whole body may take: a sender that has gone silent holds no connection for ever.
_PATIENCE = 60.0

# What JSON is called; some senders say nothing.
JSON = ("application/json", "")

M = TypeVar("M", bound=BaseModel)
Authenticate = Callable[..., Awaitable[Caller]]

_bearer = HTTPBearer(auto_error=False, scheme_name="bearer", description="An API key.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="apiKey")


def authentication(keys: ApiKeys, rates: Rates) -> Authenticate:
    """The dependency that says who sent a request, and counts it."""

    async def authenticate(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        header: Annotated[str | None, Security(_header)],
    ) -> Caller:
        if request.scope["state"].get("local"):
            return LOCAL_ADMIN
        token = bearer.credentials if bearer is not None else header
        if not token:
            raise NotAuthenticated(
                "Send an API key as `Authorization: Bearer fn_…` or `X-API-Key: fn_…`. "
                "Make one: flashnotify keys create"
            )
        caller = await keys.authenticate(token)
        spent = rates.spend(caller.id)
        request.scope["state"]["headers"] = [
            (name.lower().encode(), str(number).encode())
            for name, number in (
                ("X-RateLimit-Limit", spent.limit),
                ("X-RateLimit-Remaining", spent.remaining),
                ("X-RateLimit-Reset", spent.reset),
            )
        ]
        if not spent.granted:
            raise TooFast(
                f"This key may call {spent.rate}. Wait {spent.reset} s, or send many at once by "
                "POST /v1/notifications/batch.",
                retry_after=spent.reset,
            )
        return caller

    return authenticate


async def refuse_unknown_parameters(request: Request) -> None:
    """Check that the query has no parameter that the endpoint does not document.

    A filter with a typing mistake would otherwise find everything.

    Raises:
        InvalidInput: it has one.
    """
    if not request.scope["query_string"]:
        return
    path = request.scope["route"].path_format
    # One that only refuses is in no document.
    operation = request.app.openapi()["paths"].get(path, {}).get(request.method.lower(), {})
    documented = (p for p in operation.get("parameters", ()) if p["in"] == "query")
    known = [parameter["name"] for parameter in documented]
    if unknown := [name for name in request.query_params if name not in known]:
        detail = f"is no parameter here; there are {', '.join(known) or 'none'}"
        raise InvalidInput([FieldError.at((name,), detail) for name in unknown])


class LocalSocket:
    """The app as seen on the Unix socket: whoever can open that socket is an admin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI has it."""
        scope.setdefault("state", {})["local"] = True
        await self._app(scope, receive, send)


def media_type(request: Request) -> str:
    """The media type that a request says its body has; empty if it says nothing."""
    header = request.headers.get("content-type", "")
    return header.partition(";")[0].strip().lower()


async def read_json(request: Request, limit: int) -> bytes:
    """The body of a JSON request of at most `limit` bytes.

    Raises:
        UnsupportedMediaType: it says that it is something else.
        DocumentTooLarge: it is longer.
    """
    if media_type(request) not in JSON:
        raise UnsupportedMediaType(
            "Send JSON with `Content-Type: application/json` (with curl: -H or --json)."
        )
    return await read_body(request, limit)


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request of at most `limit` bytes.

    Raises:
        DocumentTooLarge: it is longer.
        RequestTimeout: it does not come.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _read(request, limit)
    except TimeoutError:
        raise RequestTimeout(
            f"The body took over {_PATIENCE:g} s to come. Send it again."
        ) from None


async def _read(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
    return b"".join(chunks)


async def read_model(request: Request, model: type[M], limit: int) -> M:
    """The body of a JSON request of at most `limit` bytes, as a `model`.

    Raises:
        MalformedDocument: it is no JSON object.
        InvalidInput: something in it is wrong; every fault is named.
        UnsupportedMediaType, DocumentTooLarge: as `read_json`.
    """
    document = await read_json(request, limit)
    try:
        return model.model_validate_json(document)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
    if not faults[0]["loc"]:
        raise MalformedDocument(f"The body is no JSON object: {faults[0]['msg']}.")
    raise InvalidInput(
        [
            FieldError.at(fault["loc"], fault["msg"].removeprefix("Value error, "))
            for fault in faults
        ]
    )


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """How OpenAPI describes the body of a request that `read_model` reads."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _too_large(limit: int) -> DocumentTooLarge:
    return DocumentTooLarge(f"The body is over {limit} bytes. Send less at once.")
