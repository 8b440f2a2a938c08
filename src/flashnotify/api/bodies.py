"""Request bodies, read within a limit of size and time."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from mmap import mmap
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from flashnotify.api.headers import header
from flashnotify.errors import (
    DocumentTooLarge,
    InvalidInput,
    UnsupportedEncoding,
    UnsupportedMediaType,
)
from flashnotify.intake.json_documents import Body, parse
from flashnotify.intake.validation import check_fields
from flashnotify.meta.faults import field_errors
from flashnotify.time_slices import TimeSlices

# Media types of JSON; some clients send none.
JSON = ("application/json", "")
_REF = "#/components/schemas/"
# Bytes of a body that is joined in one go.
_SHORT = 1024 * 1024

M = TypeVar("M", bound=BaseModel)


def media_type(request: Request) -> str:
    """Return the declared media type of a body, or an empty string."""
    return (header(request.scope, b"content-type") or "").partition(";")[0].strip().lower()


async def read_body(request: Request, limit: int) -> Body:
    """Return a body of at most `limit` bytes. The server limits the time that it takes.

    Raises:
        UnsupportedEncoding: it is compressed.
        DocumentTooLarge: it is longer.
    """
    encoding = header(request.scope, b"content-encoding") or "identity"
    if encoding.strip().lower() not in ("identity", ""):
        raise UnsupportedEncoding(
            "The body is compressed. Send it as it is, without Content-Encoding."
        )
    declared = header(request.scope, b"content-length") or ""
    size = int(declared) if declared.isdigit() else 0
    parts: list[bytes] = []
    length, more = 0, True
    while more:
        if max(size, length) > limit:
            raise DocumentTooLarge(f"The body is longer than {limit} bytes.")
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        more = message.get("more_body", False)
    return b"".join(parts) if length <= _SHORT else await _mapped(parts, length)


async def _mapped(parts: Sequence[bytes], length: int) -> Body:
    # The kernel gives this memory page by page. To get 16 MB at once, or to move a growing body,
    # now and then holds the event loop for 14 ms.
    body = mmap(-1, length)
    for part in parts:
        body.write(part)
        await asyncio.sleep(0)
    return body


async def read_document(request: Request, limit: int) -> bytes:
    """Return a body of at most `limit` bytes that is one document. Raise what `read_body` does."""
    return bytes(await read_body(request, limit))


async def read_json(request: Request, limit: int) -> bytes:
    """Return the body of a JSON request of at most `limit` bytes, not parsed yet.

    Raises:
        UnsupportedMediaType: it is declared as something else.
        DocumentTooLarge: as `read_body`.
    """
    if media_type(request) not in JSON:
        raise UnsupportedMediaType(
            "Send JSON with `Content-Type: application/json` (with curl: -H or --json)."
        )
    return bytes(await read_body(request, limit))


def validated(model: type[M], document: Mapping[str, Any], zone: tzinfo = UTC) -> M:
    """Return a document as a `model`, or raise `InvalidInput`. `zone` is the campus's."""
    check_fields(document)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidInput(field_errors(error, model, zone)) from None


async def read_model(request: Request, model: type[M], limit: int, slices: TimeSlices) -> M:
    """Return the JSON body of a request as a `model`. Raise what `read_json`, `parse` and it do."""
    document = await parse(await read_json(request, limit), slices)
    return validated(model, document, request.app.state.zone)


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI description of a JSON body that is a `model`."""
    return _json_body({"$ref": _REF + model.__name__})


def body_of_one(models: Mapping[str, type[BaseModel]], discriminator: str) -> dict[str, Any]:
    """Return the OpenAPI description of a JSON body that is one of `models`."""
    return _json_body(one_of(models, discriminator))


def one_of(models: Mapping[str, type[BaseModel]], discriminator: str) -> dict[str, Any]:
    """Return the schema of one of `models`, which the field `discriminator` tells apart."""
    refs = {value: _REF + model.__name__ for value, model in models.items()}
    return {
        "oneOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": discriminator, "mapping": refs},
    }


def _json_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}
