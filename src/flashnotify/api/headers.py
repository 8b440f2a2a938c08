"""Header fields of a request, without building an object for all of them."""

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first header field with a lower-case `name`, or None."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def headers(scope: Scope, name: bytes) -> list[str]:
    """Return all header fields with a lower-case `name`."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
