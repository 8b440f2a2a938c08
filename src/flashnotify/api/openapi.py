"""The OpenAPI document: FastAPI's, completed with what it cannot know."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from flashnotify.api.bodies import one_of
from flashnotify.api.problems import Problem, problems
from flashnotify.identity.principal import known_scopes
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec

_DESCRIPTION = """\
The notification service of a campus. A notification that is accepted with a 202 is on disk, and
is sent in order of urgency. Errors are problem details (RFC 9457).
"""


def openapi_document(
    app: FastAPI, kinds: Registry[NotifierSpec], bodies: Iterable[type[BaseModel]]
) -> dict[str, Any]:
    """Return the document of `app`: each kind's request model is a branch of one `oneOf`.

    `bodies` are the models of other bodies that endpoints read themselves.
    """
    document = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes
    )
    requests = {kind.kind: kind.request for kind in kinds.values()}
    notification = one_of(requests, "kind")
    document["paths"]["/v1/notifications"]["post"]["requestBody"] = _one(notification, kinds)
    document["paths"]["/v1/notifications/batch"]["post"]["requestBody"] = _many(notification, kinds)
    models: list[type[BaseModel]] = [*requests.values(), *bodies, Problem]
    _, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas = document["components"].setdefault("schemas", {})
    schemas.update(definitions["$defs"])
    schemas["ApiKeyIn"]["properties"]["scopes"]["items"]["enum"] = list(
        known_scopes(kinds.values())
    )
    # FastAPI's own form of a validation error never leaves this service.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(method, path, operation)
    return document


def _one(notification: dict[str, Any], kinds: Registry[NotifierSpec]) -> dict[str, Any]:
    """Return the body that is a notification, with an example of each kind."""
    examples = {k.kind: {"summary": k.summary, "value": k.example} for k in kinds.values()}
    content = {"schema": notification, "examples": examples}
    return {"required": True, "content": {"application/json": content}}


def _many(notification: dict[str, Any], kinds: Registry[NotifierSpec]) -> dict[str, Any]:
    """Return the body of a batch of notifications, with one of each kind as the example."""
    examples = [kind.example for kind in kinds.values()]
    array = {"schema": {"type": "array", "items": notification}, "example": examples}
    return {
        "required": True,
        "description": "Each element, or line, is a body of `POST /v1/notifications`.",
        "content": {
            "application/json": array,
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }


def _complete(method: str, path: str, operation: dict[str, Any]) -> None:
    """Document the required scope, and the errors that follow from what the operation takes."""
    responses = operation["responses"]
    errors = {422} if "422" in responses else set()
    if "{" in path:
        errors |= {404, 422}
    requires = "no authentication"
    if "security" in operation:
        scopes = next(iter(operation["security"][0].values()))
        errors |= {401, 422, 429, 503}
        # A scope is missing, or another site uses a browser's session.
        errors |= {403} if scopes or method != "get" else set()
        requires = f"the scope `{scopes[0]}`" if scopes else "authentication"
    paragraphs = (operation.get("description"), f"Requires {requires}.")
    operation["description"] = "\n\n".join(filter(None, paragraphs))
    if "requestBody" in operation:
        errors |= {400, 408, 413, 415, 422}
    responses |= {str(status): response for status, response in problems(*errors).items()}
    operation["responses"] = dict(sorted(responses.items()))
