"""`/v1/notify/{kind}`: send with curl. The body is the message, the query has the other fields."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from flashnotify.api.auth import Sender
from flashnotify.api.bodies import media_type, read_document
from flashnotify.api.json_answer import JsonAnswer
from flashnotify.api.notifications import ACCEPTED, accepted_response, ended
from flashnotify.api.notify_parameters import LISTS, SINGLES, text_parameters
from flashnotify.api.ntfy_headers import given_headers
from flashnotify.api.parameters import raise_unknown
from flashnotify.api.problems import problems
from flashnotify.api.sending_route import IdempotencyHeader, SendingRoute
from flashnotify.archive.ports import Notifications
from flashnotify.control.cancel_and_retry import find_notification
from flashnotify.errors import FieldError, InvalidInput, NotFound, Unavailable, UnsupportedMediaType
from flashnotify.intake.submission import Submission
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec
from flashnotify.meta.suggestions import SYNONYMS, did_you_mean
from flashnotify.telemetry.long_polling import MAX_WAIT, LongPolling

# Media types that clients declare by default for text; curl's -d declares a form.
_ALSO_TEXT = ("", "application/x-www-form-urlencoded", "application/octet-stream")
_MESSAGE = "The exam takes place in room B204 instead of A101."


def text_router(
    submission: Submission,
    notifications: Notifications,
    long_polling: LongPolling,
    kinds: Registry[NotifierSpec],
    max_bytes: int,
    max_title: int,
) -> APIRouter:
    """Return the endpoint `/v1/notify/{kind}`."""
    router = APIRouter(prefix="/v1/notify", tags=["notifications"])

    async def send_text(
        kind: Annotated[str, Path(json_schema_extra={"enum": list(kinds)}, examples=["academic"])],
        request: Request,
        principal: Sender,
        wait: Annotated[
            float,
            Query(
                ge=0,
                le=MAX_WAIT,
                description="Seconds to wait until all deliveries have ended; the answer then has "
                "their `outcome`.",
            ),
        ] = 0,
        idempotency_key: IdempotencyHeader = None,
    ) -> JsonAnswer:
        spec = _find(kind, kinds)
        principal.require(spec.scope)
        submission.require_ready()
        _require_text(request)
        document = _document(spec, request)
        title_given = "title" in document
        _add_text(document, await read_document(request, max_bytes), max_title)
        try:
            accepted = await submission.accept_parsed(principal, document, idempotency_key)
        except InvalidInput as error:
            raise InvalidInput(_as_sent(error.errors, title_given=title_given)) from None
        if not wait:
            return accepted_response(accepted)
        look = partial(find_notification, notifications, accepted.id)
        # It is accepted, whether there is room to wait for it or not.
        with suppress(Unavailable):
            reached = await long_polling.until(principal.id, wait, accepted.id, look, ended)
            return accepted_response(accepted, reached)
        return accepted_response(accepted)

    router.add_api_route(
        "/{kind}",
        send_text,
        methods=["POST"],
        route_class_override=SendingRoute,
        summary="Send a notification as plain text",
        description="The body is the message; with curl, `--data-binary @file` keeps its lines. "
        "Parameters named like the kind's fields fill `data`. Without a title, the first line of "
        "the message becomes the title. `Title`, `Priority` and `To` may be headers, as for ntfy.",
        responses=problems(409),
        openapi_extra={
            "parameters": text_parameters(kinds.values()),
            "requestBody": {
                "required": True,
                "content": {
                    "text/plain": {
                        "schema": {"type": "string", "minLength": 1},
                        "example": _MESSAGE,
                    },
                    # Generators of clients know this one.
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                },
            },
        },
        **ACCEPTED,
    )

    return router


def _find(kind: str, kinds: Registry[NotifierSpec]) -> NotifierSpec:
    spec = kinds.get(kind)
    if spec is None:
        hint = did_you_mean(kind, kinds)
        detail = f"Unknown kind {kind!r}; expected one of {', '.join(kinds)}{hint or '.'}"
        raise NotFound(detail, code="unknown_kind")
    return spec


def _require_text(request: Request) -> None:
    given = media_type(request)
    if not given.startswith("text/") and given not in _ALSO_TEXT:
        raise UnsupportedMediaType(
            "Send the message as text/plain, or JSON to POST /v1/notifications."
        )


def _document(kind: NotifierSpec, request: Request) -> dict[str, Any]:
    """Return the document that the query and the headers stand for, without the body."""
    given: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name != "wait":
            given.setdefault(name, []).append(value)
    _refuse_unknown(kind, list(given))
    for name, values in given_headers(request).items():
        given.setdefault(name, []).extend(values)
    document: dict[str, Any] = {"kind": kind.kind, "data": {}}
    errors: list[FieldError] = []
    for name, values in given.items():
        if name in LISTS:
            document[name] = values
            continue
        if len(values) > 1:
            errors.append(FieldError.at((name,), "repeated", "must not be repeated"))
        part = document["data"] if name in kind.fields else document
        part[name] = values[0]
    if errors:
        raise InvalidInput(errors)
    return document


def _refuse_unknown(kind: NotifierSpec, names: list[str]) -> None:
    known = [*LISTS, *SINGLES, "wait", *kind.fields]
    for name in names:
        if name not in known and "body" in (name.lower(), SYNONYMS.get(name.lower())):
            detail = "unknown parameter; send the message as the body of the request"
            raise InvalidInput([FieldError.at((name,), "unknown_parameter", detail)])
    raise_unknown([name for name in names if name not in known], known, [])


def _add_text(document: dict[str, Any], body: bytes, max_title: int) -> None:
    """Add the message, and a title made of its first line if there is none."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput([FieldError("", "not_utf8", "the body must be UTF-8")]) from None
    document["body"] = text.rstrip("\r\n")
    # A title is a single line, so that tabs and carriage returns fold into a space.
    first_line = " ".join(text.lstrip().partition("\n")[0].split())
    document.setdefault("title", first_line[:max_title])


def _as_sent(errors: Iterable[FieldError], *, title_given: bool) -> list[FieldError]:
    """Return errors that point into the request as it was sent.

    A field of the kind is a parameter, not inside `data`; and nobody sent a title that was made of
    the message, whose own mistake is listed too.
    """
    found = [replace(error, pointer=error.pointer.removeprefix("/data")) for error in errors]
    if title_given:
        return found
    return [error for error in found if error.pointer != "/title"] or found
