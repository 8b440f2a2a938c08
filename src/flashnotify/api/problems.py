"""Errors as RFC 9457 problem details."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from flashnotify import errors
from flashnotify.api.headers import header
from flashnotify.api.path_prefix import link
from flashnotify.api.paths import Paths
from flashnotify.errors import FieldError, FlashNotifyError
from flashnotify.meta.faults import explain

MEDIA_TYPE = "application/problem+json"
# What shows an error to who asked: a page in place of the problem, or the problem itself.
ErrorPage: TypeAlias = Callable[[Request, Response], Awaitable[Response]]
# What a message tells people to write.
_PLUS = re.compile(r"\+\d")


class FieldProblem(BaseModel):
    """One mistake in the request. `pointer` is a JSON Pointer (RFC 6901) into it."""

    pointer: str
    code: str
    detail: str


class ProblemDetails(BaseModel):
    """What went wrong: `code` for programs, which never changes, and `detail` for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] | None = None


class Problem(ProblemDetails):
    """Problem details of a response (RFC 9457, section 3.1). `error` is the `code` for OAuth."""

    error: str | None = None
    request_id: str


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of an operation that answers with these problems."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def problem(error: FlashNotifyError) -> dict[str, Any]:
    """Return the problem details of an error, without the request's id."""
    content = _content(HTTPStatus(error.status), error.problem, error.code, str(error))
    if isinstance(error, errors.InvalidInput):
        content["detail"] = error.summary
        content["errors"] = list(map(asdict, error.errors))
    if isinstance(error, errors.OAuthError):
        # Where OAuth clients look for it.
        content["error"] = error.code
    return content


def _add_hints(scope: Scope, error: errors.InvalidInput) -> None:
    """Add a hint where a plus sign in the query may have become a space."""
    # Commands, which use the local socket, encode their parameters.
    if not scope.get("query_string") or scope["state"].get("local"):
        return
    query = b"&" + scope["query_string"]
    hint = "; in a URL, write + as %2B"
    error.errors = tuple(
        replace(found, detail=found.detail + hint)
        if _PLUS.search(found.detail) and f"&{found.pointer.split('/')[1]}=".encode() in query
        else found
        for found in error.errors
    )


def problem_response(scope: Scope, error: FlashNotifyError) -> Response:
    """Return the response to a request that ended with `error`."""
    headers: dict[str, str] = {}
    if isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = _challenge(scope, error)
    if isinstance(error, errors.UnsupportedEncoding):
        # What would be accepted (RFC 9110, section 15.5.16).
        headers["Accept-Encoding"] = "identity"
    if isinstance(error, errors.Unavailable | errors.RateLimited):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.InvalidInput):
        _add_hints(scope, error)
    return _response(scope, problem(error), headers)


def _challenge(scope: Scope, error: errors.NotAuthenticated) -> str:
    """Return how to authenticate; with what is wrong if there was a token (RFC 6750, section 3)."""
    if isinstance(error, errors.ClientRefused):
        return 'Basic realm="FlashNotify"'
    if error.code == errors.NotAuthenticated.code or header(scope, b"authorization") is None:
        return "Bearer"
    return 'Bearer error="invalid_token"'


def error_response(scope: Scope, error: Exception) -> Response:
    """Return the response to a request that ended with `error`, which may be unexpected (500)."""
    if not isinstance(error, FlashNotifyError):
        if errors.is_out_of_files(error):
            error = errors.Unavailable("Too many files and connections are open.", retry_after=5)
        else:
            detail = "An internal error occurred. The log has it under this request_id."
            error = FlashNotifyError(detail)
    return problem_response(scope, error)


def install_problems(app: FastAPI, page: ErrorPage) -> None:
    """Make `app`, which has all of its routes, answer every error with a problem, or its `page`."""
    app.state.paths = Paths(app.routes)

    def shown(answer: Callable[[Request, Exception], Awaitable[Response]]) -> Any:
        async def answer_as_asked(request: Request, error: Exception) -> Response:
            return await page(request, await answer(request, error))

        return answer_as_asked

    app.add_exception_handler(FlashNotifyError, shown(_on_error))
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, shown(_on_http_exception))
    app.add_exception_handler(OSError, shown(_on_os_error))
    app.add_exception_handler(Exception, shown(_on_error))


async def _on_error(request: Request, error: Exception) -> Response:
    # One that is unexpected is raised again by Starlette, and logged by `RequestBoundary`.
    return error_response(request.scope, error)


async def _on_os_error(request: Request, error: Exception) -> Response:
    if not errors.is_out_of_files(error):
        raise error
    return error_response(request.scope, error)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    """Answer a mistake in the path, the query or a header, which FastAPI validates itself."""
    assert isinstance(error, RequestValidationError)
    zone = request.app.state.zone
    mistakes = [
        FieldError.at(item["loc"][1:], *explain(item, zone=zone)) for item in error.errors()
    ]
    return problem_response(request.scope, errors.InvalidInput(mistakes))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the router raises: no such path, or not this method."""
    assert isinstance(error, HTTPException)
    status, detail = HTTPStatus(error.status_code), error.detail
    headers = dict(error.headers or {})
    paths: Paths = request.app.state.paths
    path = request.scope["path"]
    if status is HTTPStatus.NOT_FOUND:
        detail = f"No endpoint has this path{paths.hint(path) or '.'} See {link('/docs')}."
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        # Starlette knows the methods of one route only, but also of those that are not documented.
        allowed = ", ".join(paths.methods(path)) or headers.get("Allow", "")
        headers["Allow"] = allowed
        detail = f"This endpoint does not support {request.method}; use {allowed}."
    name = status.phrase.lower()
    content = _content(status, name.replace(" ", "-"), name.replace(" ", "_"), detail)
    return _response(request.scope, content, headers)


def _content(status: HTTPStatus, slug: str, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": f"urn:flashnotify:problem:{slug}",
        "title": status.phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
    }


def _response(scope: Scope, content: dict[str, Any], headers: Mapping[str, str]) -> Response:
    content = {**content, "request_id": scope["state"]["request_id"]}
    # A lone surrogate, which JSON can name and UTF-8 cannot hold, stays escaped.
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(body, content["status"], headers=dict(headers), media_type=MEDIA_TYPE)
