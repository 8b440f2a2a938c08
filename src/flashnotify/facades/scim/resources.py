"""What all resources have: where they are, their version, and conditions on it."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flashnotify.facades.scim.failures import ScimError


def meta_of(kind: str, location: str, created_at: int, version: str) -> dict[str, Any]:
    """Return the `meta` of a resource (RFC 7643, section 3.1)."""
    created = datetime.fromtimestamp(created_at / 1000, UTC)
    return {
        "resourceType": kind,
        "created": created.isoformat(timespec="milliseconds"),
        "location": location,
        "version": version,
    }


def version_of(*values: Any) -> str:
    """Return a weak ETag for what a resource consists of."""
    text = json.dumps(values, sort_keys=True, default=str).encode()
    return f'W/"{hashlib.sha256(text).hexdigest()[:20]}"'


def require_version(headers: Mapping[str, str], version: str) -> None:
    """Raise `ScimError` if the client wants to change another version (RFC 7644, section 3.14)."""
    wanted = headers.get("if-match")
    if wanted is not None and not is_among(wanted, version):
        raise ScimError("The resource has changed. Read it again", 412)


def is_among(wanted: str, version: str) -> bool:
    """Return whether a version is among those of a header (weak comparison, RFC 9110)."""
    tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
    return "*" in tags or version.removeprefix("W/") in tags


def text_of(document: Mapping[str, Any]) -> bytes:
    """Return a document as JSON."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
