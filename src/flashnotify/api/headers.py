"""Header fields of a request, without building an object for all of them."""

import re

from starlette.types import Scope

# Values of a header that are looked at.
_MOST = 10


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first header field with a lower-case `name`, or None."""
    fields: dict[bytes, bytes] | None = scope.get("flashnotify.fields")
    if fields is None:
        fields = scope["flashnotify.fields"] = dict(reversed(scope["headers"]))
    value = fields.get(name)
    return value.decode("latin-1") if value is not None else None


def headers(scope: Scope, name: bytes) -> list[str]:
    """Return all header fields with a lower-case `name`."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def by_preference(field: str) -> list[str]:
    """Return what `Accept` or `Accept-Language` names, best first (RFC 9110, section 12.4.2)."""
    found = []
    for part in field.split(",")[:_MOST]:
        name, _, weight = part.partition(";")
        quality = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", weight)
        found.append((float(quality[1]) if quality else 1.0, name.strip()))
    best_first = sorted(found, key=lambda weighted: -weighted[0])
    return [name for quality, name in best_first if quality]
