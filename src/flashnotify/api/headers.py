"""Header fields of a request, without building an object for all of them."""

from starlette.types import Scope


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
