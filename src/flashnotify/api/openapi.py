"""The OpenAPI document: FastAPI's, completed with what it cannot know."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from flashnotify.api.bodies import body_of_one
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
    document["paths"]["/v1/notifications"]["post"]["requestBody"] = body_of_one(requests, "kind")
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
        for operation in operations.values():
            _complete(path, operation)
    return document


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Document the required scope, and the errors that follow from what the operation takes."""
    responses = operation["responses"]
    errors = {422} if "422" in responses else set()
    if "{" in path:
        errors |= {404, 422}
    if "security" in operation:
        scopes = next(iter(operation["security"][0].values()))
        errors |= {401, 403, 422, 429, 503} if scopes else {401, 422, 429, 503}
        scope = f"the scope `{scopes[0]}`" if scopes else "any API key"
        description = operation.get("description")
        operation["description"] = "\n\n".join(filter(None, (description, f"Requires {scope}.")))
    if "requestBody" in operation:
        errors |= {400, 408, 413, 415, 422}
    responses |= {str(status): response for status, response in problems(*errors).items()}
    operation["responses"] = dict(sorted(responses.items()))
