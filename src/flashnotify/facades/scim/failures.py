"""Errors as SCIM has them (RFC 7644, section 3.12)."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from scim2_models import Error, SCIMException

from flashnotify.errors import (
    AlreadyTaken,
    FlashNotifyError,
    InvalidInput,
    MalformedDocument,
    WriteRefused,
)

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


class ScimError(FlashNotifyError):
    """What a SCIM client did wrong, with its HTTP `status` and `scim_type`."""

    def __init__(self, detail: str, status: int = 400, scim_type: str | None = None) -> None:
        super().__init__(detail, code=scim_type)
        self.status = status
        self.scim_type = scim_type


def not_found(id: str) -> ScimError:
    """Return the error for a resource that there is not."""
    return ScimError(f"Resource {id[:64]!r} not found", 404)


def invalid(detail: str, scim_type: str = "invalidValue") -> ScimError:
    """Return the error for a request that cannot be carried out."""
    return ScimError(detail, 400, scim_type)


def failure(error: Exception) -> ScimError | None:
    """Return the SCIM error for an error that a client is told; None for one that is a bug."""
    if isinstance(error, ScimError):
        return error
    if isinstance(error, ValidationError):
        found = Error.from_validation_errors(error.errors(include_url=False)[:1])[0]
        return ScimError(found.detail or "invalid", found.status or 400, found.scim_type)
    if isinstance(error, SCIMException):
        return ScimError(_shown(error), error.status, error.scim_type or None)
    if not isinstance(error, FlashNotifyError):
        return None
    return ScimError(str(error), *_status_and_type(error))


def document_of(error: ScimError) -> Mapping[str, Any]:
    """Return the document of an error."""
    kind = {} if error.scim_type is None else {"scimType": error.scim_type}
    return {"schemas": [ERROR], "status": str(error.status), **kind, "detail": str(error)}


def _shown(error: SCIMException) -> str:
    """Return the text of an error; where pydantic wrote it, without what is for programmers."""
    lines = str(error).splitlines()
    if len(lines) > 2 and "validation error" in lines[0]:
        return f"{lines[1]}: {lines[2].strip().partition(' [type=')[0]}"
    return str(error)


def _status_and_type(error: FlashNotifyError) -> tuple[int, str | None]:
    if isinstance(error, AlreadyTaken | WriteRefused):
        return 409, "uniqueness"
    if isinstance(error, MalformedDocument):
        return (413, "tooMany") if error.code == "too_complex" else (400, "invalidSyntax")
    if isinstance(error, InvalidInput):
        return 400, "invalidValue"
    return error.status, None
