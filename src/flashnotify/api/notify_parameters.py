"""The parameters of `/v1/notify/{kind}` in the OpenAPI document."""

from collections.abc import Iterable
from typing import Any

from flashnotify.api.ntfy_headers import HEADERS
from flashnotify.meta.requests import NotificationRequest
from flashnotify.meta.specs import NotifierSpec

# Parameters of every kind. Those of the first group may be repeated.
LISTS = ("to", "channels")
SINGLES = ("title", "priority", "reference", "locale", "send_at", "delay", "expires_at")


def text_parameters(kinds: Iterable[NotifierSpec]) -> list[dict[str, Any]]:
    """Return the parameters of every kind, then each kind's fields, then the headers."""
    shared = NotificationRequest.model_json_schema()["properties"]
    # A query has no combinations.
    shared["to"]["items"] = {"type": "string"}
    found = {name: _shared(name, shared[name]) for name in (*LISTS, *SINGLES)}
    for kind in kinds:
        for name, field in kind.fields.items():
            needed = ", required" if field.required else ""
            parameter = found.setdefault(
                name, _query(name, field.schema(), "", [field.example] if field.example else [])
            )
            text = f"{parameter['description']} {field.help} (`{kind.kind}`{needed})"
            parameter["description"] = text.strip()
    headers = [
        {"name": name.title(), "in": "header", "schema": {"type": "string"}, "description": text}
        for name, text in HEADERS.items()
    ]
    return [*found.values(), *headers]


def _shared(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    # A parameter can be left out, but it cannot be null.
    options = schema.get("anyOf", [schema])
    found = next(option for option in options if option["type"] != "null")
    noted = ("title", "default", "examples", "description")
    plain = {key: value for key, value in found.items() if key not in noted}
    return _query(name, plain, schema.get("description", ""), schema.get("examples", []))


def _query(
    name: str, schema: dict[str, Any], description: str, examples: list[Any]
) -> dict[str, Any]:
    example = {"example": examples[0]} if examples else {}
    return {"name": name, "in": "query", "schema": schema, "description": description, **example}
