"""The OpenAPI document: FastAPI's, with the request models that the declarations compile to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from flashnotify.api.problems import Problem
from flashnotify.identity.principal import known_scopes
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec

_REF = "#/components/schemas/"
_SUMMARY = """\
The notification service of a campus: what it accepts with a 202 is on disk, and is sent in order
of urgency. Errors are problem details (RFC 9457).
"""


def openapi_document(
    app: FastAPI, kinds: Registry[NotifierSpec], bodies: Iterable[type[BaseModel]]
) -> dict[str, Any]:
    """The document of `app`, with one branch of the accepting endpoint's `oneOf` for each kind.

    `bodies` are the models of other requests that endpoints read themselves.
    """
    document = get_openapi(
        title=app.title, version=app.version, description=_SUMMARY, routes=app.routes
    )
    requests: dict[str, type[BaseModel]] = {kind.kind: kind.request for kind in kinds}
    models: list[type[BaseModel]] = [*requests.values(), *bodies, Problem]
    _, definitions = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=_REF + "{model}",
    )
    schemas = document["components"].setdefault("schemas", {})
    schemas.update(definitions["$defs"])
    schemas["ApiKeyIn"]["properties"]["scopes"]["items"]["enum"] = list(known_scopes(kinds))
    # FastAPI's own form of a validation error never leaves this service.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    refs = {kind: _REF + model.__name__ for kind, model in requests.items()}
    document["paths"]["/v1/notifications"]["post"]["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [{"$ref": ref} for ref in refs.values()],
                    "discriminator": {"propertyName": "kind", "mapping": refs},
                }
            }
        },
    }
    return document
