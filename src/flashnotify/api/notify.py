"""`/v1/notify/{kind}`: the curl way. The body is the message, the query says the rest."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse

from flashnotify.api.notifications import AcceptedOut, IdempotencyHeader, accepted_response
from flashnotify.api.problems import problems
from flashnotify.api.requests import Authenticate, media_type, read_body
from flashnotify.errors import FieldError, InvalidInput, NotFound, UnsupportedMediaType
from flashnotify.identity.principal import Caller
from flashnotify.intake.submission import Submission
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec

# Parameters of every kind; those that may be repeated are lists.
_LISTS = ("to", "channels")
_SINGLES = ("title", "priority", "reference", "locale", "send_at", "expires_at")


# What clients say of a text by themselves; a form is what curl says with -d.
_ALSO_TEXT = ("", "application/x-www-form-urlencoded", "application/octet-stream")


def text_router(
    submission: Submission,
    kinds: Registry[NotifierSpec],
    authenticate: Authenticate,
    max_bytes: int,
    max_title: int,
) -> APIRouter:
    """The endpoint `/v1/notify/{kind}`."""
    router = APIRouter(prefix="/v1/notify", tags=["notifications"])

    @router.post(
        "/{kind}",
        status_code=202,
        response_model=AcceptedOut,
        summary="Accept a notification whose message is the body",
        responses=problems(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503),
        openapi_extra={
            "parameters": [_parameter(name, "array") for name in _LISTS]
            + [_parameter(name, "string") for name in _SINGLES],
            "requestBody": {
                "required": True,
                "content": {"text/plain": {"schema": {"type": "string", "minLength": 1}}},
            },
        },
    )
    async def accept(
        kind: str,
        request: Request,
        caller: Annotated[Caller, Depends(authenticate)],
        idempotency_key: IdempotencyHeader = None,
    ) -> JSONResponse:
        spec = kinds.get(kind)
        if spec is None:
            raise NotFound(f"There is no kind {kind!r}; the kinds are {', '.join(kinds.names())}.")
        submission.require_ready()
        given = media_type(request)
        if not given.startswith("text/") and given not in _ALSO_TEXT:
            raise UnsupportedMediaType(
                "The body is the message itself, as text/plain. Send JSON to /v1/notifications."
            )
        body = await read_body(request, max_bytes)
        document = _document(spec, request, body, max_title)
        try:
            if idempotency_key is None:
                accepted = await submission.accept_parsed(caller, document)
            else:
                asked = hashlib.sha256(f"{kind}?{request.url.query}\n".encode() + body).digest()
                accepted = await submission.accept_once(caller, document, idempotency_key, asked)
        except InvalidInput as error:
            raise _about_the_query(error) from None
        return accepted_response(accepted)

    return router


def _document(kind: NotifierSpec, request: Request, body: bytes, max_title: int) -> dict[str, Any]:
    """The document that the query and the body amount to."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InvalidInput([FieldError("", "the body is not UTF-8 text")]) from None
    document: dict[str, Any] = {"kind": kind.kind, "body": text.rstrip("\r\n")}
    data: dict[str, str] = {}
    errors: list[FieldError] = []
    for name in dict.fromkeys(request.query_params.keys()):
        values = request.query_params.getlist(name)
        if name in _LISTS:
            document[name] = values
        elif len(values) > 1:
            errors.append(FieldError(f"/{name}", "is there more than once"))
        elif name in _SINGLES:
            document[name] = values[0]
        elif name in kind.fields:
            data[name] = values[0]
        else:
            known = ", ".join((*_LISTS, *_SINGLES, *kind.fields))
            errors.append(
                FieldError(f"/{name}", f"is no parameter of {kind.kind}; there are {known}")
            )
    if errors:
        raise InvalidInput(errors)
    document["data"] = data
    # Whoever gives no title has said the most important thing first.
    first = document["body"].lstrip().partition("\n")[0].strip()
    document.setdefault("title", first[:max_title])
    return document


def _about_the_query(error: InvalidInput) -> InvalidInput:
    """The caller's document is the query, where a field of the kind stands by itself."""
    return InvalidInput(
        [FieldError(fault.pointer.removeprefix("/data"), fault.detail) for fault in error.errors]
    )


def _parameter(name: str, type: str) -> dict[str, Any]:
    schema = {"type": "array", "items": {"type": "string"}} if type == "array" else {"type": type}
    return {"name": name, "in": "query", "required": name == "to", "schema": schema}
