"""The operations of a PATCH (RFC 7644, section 3.5.2), as Entra ID and Okta send them."""

from collections.abc import Mapping
from typing import Any

from scim2_models import Context

from flashnotify.facades.scim.failures import ScimError, invalid
from flashnotify.facades.scim.schemas import ENTERPRISE_USER, POLICY

_PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_MANAGER = f"{ENTERPRISE_USER}:manager".lower()
# Operations of one patch, and characters of a path: each is parsed.
_MAX_OPERATIONS = 1000
_MAX_PATH = 500


def apply(resource: Any, model: Any, operation: Mapping[str, Any]) -> None:
    """Apply one operation to a resource; `model` is the `PatchOp` of its type. Takes milliseconds.

    Raise what `scim2_models` raises if it cannot be applied.
    """
    patch = model.model_validate(
        {"schemas": [_PATCH_OP], "Operations": [operation]},
        scim_ctx=Context.RESOURCE_PATCH_REQUEST,
        scim_policy=POLICY,
    )
    patch.patch(resource, scim_policy=POLICY)


def operations_of(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the operations of a patch, with names in the case of the RFC.

    Raise `ScimError` if it is none.
    """
    members = {str(name).lower(): value for name, value in data.items()}
    found = members.get("operations")
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise invalid("A patch has an array of objects, Operations", "invalidSyntax")
    if not found:
        raise invalid("A patch has one or more operations")
    if len(found) > _MAX_OPERATIONS:
        raise ScimError(f"A patch has at most {_MAX_OPERATIONS} operations", 413, "tooMany")
    return list(map(_operation, found))


def _operation(given: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {name.lower(): value for name, value in given.items()}
    path, value = operation.get("path"), operation.get("value")
    if str(operation.get("op")).lower() not in ("add", "remove", "replace"):
        raise invalid("The op of an operation is add, remove or replace")
    if path == "":
        del operation["path"]
    if isinstance(path, str) and len(path) > _MAX_PATH:
        raise invalid(f"A path has at most {_MAX_PATH} characters", "invalidPath")
    if isinstance(path, str) and path.lower() == _MANAGER and isinstance(value, str):
        # As Entra sends it.
        operation["value"] = {"value": value}
    return {name: operation[name] for name in ("op", "path", "value") if name in operation}
