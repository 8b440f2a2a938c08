"""`/v1/notify/{kind}`: send with curl. The body is the message, the query has the other fields."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from flashnotify.api.auth import Sender
from flashnotify.api.bodies import media_type, read_body
from flashnotify.api.notifications import ACCEPTED, IdempotencyHeader, accepted_response
from flashnotify.api.problems import problems
from flashnotify.errors import FieldError, InvalidInput, NotFound, UnsupportedMediaType
from flashnotify.intake.submission import Submission
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec

# Parameters of every kind. Those of the first group may be repeated.
_LISTS = ("to", "channels")
_SINGLES = ("title", "priority", "reference", "locale", "send_at", "expires_at")

# Media types that clients declare by default for text; curl's -d declares a form.
_ALSO_TEXT = ("", "application/x-www-form-urlencoded", "application/octet-stream")


def text_router(
    submission: Submission, kinds: Registry[NotifierSpec], max_bytes: int, max_title: int
) -> APIRouter:
    """Return the endpoint `/v1/notify/{kind}`."""
    router = APIRouter(prefix="/v1/notify", tags=["notifications"])

    @router.post(
        "/{kind}",
        summary="Send a notification as plain text",
        description="The body is the message. Parameters named like the kind's fields fill `data`; "
        "without a title, the first line of the message becomes the title.",
        responses=problems(409),
        openapi_extra={
            "parameters": [_parameter(name) for name in (*_LISTS, *_SINGLES)],
            "requestBody": {
                "required": True,
                "content": {"text/plain": {"schema": {"type": "string", "minLength": 1}}},
            },
        },
        **ACCEPTED,
    )
    async def accept(
        kind: str, request: Request, principal: Sender, idempotency_key: IdempotencyHeader = None
    ) -> JSONResponse:
        spec = kinds.get(kind)
        if spec is None:
            detail = f"Unknown kind {kind!r}; expected one of {', '.join(kinds)}."
            raise NotFound(detail, code="unknown_kind")
        submission.require_ready()
        given = media_type(request)
        if not given.startswith("text/") and given not in _ALSO_TEXT:
            raise UnsupportedMediaType(
                "Send the message as text/plain, or JSON to POST /v1/notifications."
            )
        document = _document(spec, request, await read_body(request, max_bytes), max_title)
        try:
            accepted = await submission.accept_parsed(principal, document, idempotency_key)
        except InvalidInput as error:
            # In the query, a field of the kind is not inside `data`.
            errors = [replace(e, pointer=e.pointer.removeprefix("/data")) for e in error.errors]
            raise InvalidInput(errors) from None
        return accepted_response(accepted)

    return router


def _document(kind: NotifierSpec, request: Request, body: bytes, max_title: int) -> dict[str, Any]:
    """Return the document that the query and the body stand for."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InvalidInput([FieldError("", "not_utf8", "the body must be UTF-8")]) from None
    document: dict[str, Any] = {"kind": kind.kind, "body": text.rstrip("\r\n")}
    data: dict[str, str] = {}
    errors: list[FieldError] = []
    for name in dict.fromkeys(request.query_params.keys()):
        values = request.query_params.getlist(name)
        if name in _LISTS:
            document[name] = values
        elif len(values) > 1:
            errors.append(FieldError.at((name,), "repeated", "must not be repeated"))
        elif name in _SINGLES:
            document[name] = values[0]
        elif name in kind.fields:
            data[name] = values[0]
        else:
            known = ", ".join((*_LISTS, *_SINGLES, *kind.fields))
            detail = f"unknown parameter; expected one of {known}"
            errors.append(FieldError.at((name,), "unknown_parameter", detail))
    if errors:
        raise InvalidInput(errors)
    document["data"] = data
    first_line = document["body"].lstrip().partition("\n")[0].strip()
    document.setdefault("title", first_line[:max_title])
    return document


def _parameter(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if name in _LISTS:
        schema = {"type": "array", "items": schema}
    return {"name": name, "in": "query", "required": name == "to", "schema": schema}
