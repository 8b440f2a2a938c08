"""Changes of the members of a group, which may be thousands: they never pass through a model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from scim2_models import Path
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    LogicalExpr,
    LogicalOperator,
    ValuePath,
)

from flashnotify.facades.scim.failures import invalid
from flashnotify.facades.scim.mapping import uuid_of
from flashnotify.facades.scim.schemas import CORE_GROUP, Group

_PREFIX = f"{CORE_GROUP}:".lower()


@dataclass(slots=True)
class MemberChanges:
    """What operations do to the members, in sum. With `replaced`, only those added stay."""

    replaced: bool = False
    added: dict[UUID, None] = field(default_factory=dict)
    removed: dict[UUID, None] = field(default_factory=dict)

    def add(self, ids: Iterable[UUID]) -> None:
        """Add members."""
        for id in ids:
            self.removed.pop(id, None)
            self.added[id] = None

    def remove(self, ids: Iterable[UUID]) -> None:
        """Remove members."""
        for id in ids:
            self.added.pop(id, None)
            self.removed[id] = None

    def replace(self, ids: Iterable[UUID]) -> None:
        """Put these in the place of all."""
        self.replaced = True
        self.added.clear()
        self.removed.clear()
        self.add(ids)

    def apply(self, operation: str, ids: Sequence[UUID] | None) -> None:
        """Apply an operation to members; None stands for all of them."""
        if operation == "remove":
            self.replace(()) if ids is None else self.remove(ids)
        elif operation == "replace":
            self.replace(ids or ())
        else:
            self.add(ids or ())


def take_members(operation: dict[str, Any], changes: MemberChanges) -> bool:
    """Apply what an operation does to members, and take it out. Return whether some is left.

    Raise `ScimError` for a path that cannot be applied to members.
    """
    op, path, value = (
        str(operation.get("op")).lower(),
        operation.get("path"),
        operation.get("value"),
    )
    if path is None:
        if not isinstance(value, Mapping):
            return True
        left = {name: each for name, each in value.items() if _plain(name) != "members"}
        if len(left) < len(value):
            [members] = [each for name, each in value.items() if _plain(name) == "members"]
            changes.apply(op, ids_of(members))
        operation["value"] = left
        return bool(left)
    if not isinstance(path, str) or not _plain(path).startswith("members"):
        return True
    selected = _selected(path)
    if selected is not None and op != "remove":
        raise invalid("Members are added and removed, never changed", "mutability")
    if selected is None and (value is not None or op != "remove"):
        selected = ids_of(value)
    changes.apply(op, selected)
    return False


def ids_of(value: Any) -> list[UUID]:
    """Return the ids of members as clients write them. Raise `ScimError` if one is none."""
    if value is None:
        return []
    entries = value if isinstance(value, list) else [value]
    return [_id(entry.get("value") if isinstance(entry, Mapping) else entry) for entry in entries]


def _id(value: object) -> UUID:
    id = uuid_of(value) if isinstance(value, str) else None
    if id is None:
        raise invalid(f"members: no user or group has the id {str(value)[:64]!r}")
    return id


def _plain(name: str) -> str:
    return name.lower().removeprefix(_PREFIX)


def _selected(path: str) -> list[UUID] | None:
    """Return the ids that a path selects, such as `members[value eq "…"]`; None for all."""
    parsed = Path[Group](path)
    node = parsed.ast
    if isinstance(node, AttrPath) and node.sub_attr is None:
        return None
    if isinstance(node, ValuePath) and node.sub_attr is None:
        return list(map(_id, _values(node.val_filter)))
    raise invalid(f"Members cannot be changed by the path {path[:100]!r}", "invalidPath")


def _values(node: Any) -> list[object]:
    if isinstance(node, LogicalExpr) and node.op is LogicalOperator.or_:
        return [value for term in node.terms for value in _values(term)]
    is_equal = isinstance(node, Comparison) and node.op is CompareOperator.eq
    if is_equal and str(node.attr_path).lower() == "value":
        return [node.value]
    raise invalid("Members are selected by value eq, and by or", "invalidFilter")
