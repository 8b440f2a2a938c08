"""Filters and orders of SCIM (RFC 7644, section 3.4.2), as conditions of the archive.

An address or a number is looked for among those that messages go to, of which a user has one each.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scim2_models import Path, ScimFilter
from scim2_models.path import (
    AttrPath,
    Comparison,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)
from scim2_models.path.resolution import AttributeBinding, coerce_value

from flashnotify.archive import directory_filters as archived
from flashnotify.archive.directory_filters import (
    Condition,
    Every,
    FieldPath,
    Negation,
    Operator,
    Some,
)
from flashnotify.domain import milliseconds
from flashnotify.facades.scim.failures import invalid
from flashnotify.facades.scim.schemas import CORE_USER, ENTERPRISE_USER, FullUser, Group

# Characters of a filter, and how many expressions it may have: each is a look at a row.
MAX_LENGTH = 2000
_MAX_TERMS = 50
# What no field has: databases take a zero for the end of a text, and lone surrogates for none.
_IN_NO_FIELD = re.compile(r"[\0\ud800-\udfff]")
# Attributes by their URN, without the case of letters, and where they are stored.
_COMMON: dict[str, FieldPath] = {
    "id": ("id",),
    "externalid": ("external_id",),
    "meta.created": ("created_at",),
}
_USER: Mapping[str, FieldPath] = _COMMON | {
    "username": ("user_name",),
    "displayname": ("name",),
    "name.formatted": ("name",),
    "name.givenname": ("first_name",),
    "name.familyname": ("last_name",),
    "emails": ("email",),
    "emails.value": ("email",),
    "phonenumbers": ("phone",),
    "phonenumbers.value": ("phone",),
    "preferredlanguage": ("locale",),
    "locale": ("locale",),
    "timezone": ("timezone",),
    "active": ("active",),
    "groups": ("group",),
    "groups.value": ("group",),
    **{name.lower(): ("attributes", name) for name in ("nickName", "title", "userType")},
    **{
        f"{ENTERPRISE_USER}:{name}".lower(): ("attributes", name)
        for name in ("employeeNumber", "costCenter", "organization", "division", "department")
    },
}
_GROUP: Mapping[str, FieldPath] = _COMMON | {
    "displayname": ("name",),
    "members": ("member",),
    "members.value": ("member",),
}
# What is the same for every address and number, as far as filters go: see above.
_FIXED: Mapping[str, Any] = {
    "emails.type": "work",
    "emails.primary": True,
    "phonenumbers.type": "mobile",
    "phonenumbers.primary": True,
}
_FIELDS: Mapping[Any, Mapping[str, FieldPath]] = {FullUser: _USER, Group: _GROUP}


def condition_of(text: str, model: Any) -> Condition:
    """Return the condition for a filter of a resource type. Raise `ScimError` or `SCIMException`.

    Parsing a long filter takes some 10 ms: a thread should do it.
    """
    parsed: Any = ScimFilter[model](text)
    if parsed.ast.__class__ is LogicalExpr and _terms(parsed.ast) > _MAX_TERMS:
        raise invalid(f"The filter has more than {_MAX_TERMS} expressions", "tooMany")
    condition: Condition = _Translation(model, parsed).visit(parsed.ast)
    return condition


def order_of(text: str, model: Any) -> FieldPath:
    """Return the field for a `sortBy`. Raise `ScimError` if nothing can be sorted by it."""
    binding = Path[model](text).resolve()
    field = None if binding is None else _FIELDS[model].get(_name(binding))
    if field is None or field in (("group",), ("member",)):
        raise invalid(f"Nothing can be sorted by {text[:64]!r}", "invalidPath")
    return field


def _terms(node: Any) -> int:
    return sum(map(_terms, node.terms)) if isinstance(node, LogicalExpr) else 1


def _name(binding: AttributeBinding) -> str:
    """Return the name of an attribute, with the URN of its schema unless that is the core's."""
    urn = binding.urn.lower()
    core = CORE_USER.lower().rpartition(":")[0] + ":"
    return urn.removeprefix(core).partition(":")[2] if urn.startswith(core) else urn


class _Translation(FilterVisitor[Condition]):
    """Turns the expressions of a filter into conditions. `within` is a multi-valued attribute."""

    def __init__(self, model: Any, bound: Any, within: str = "") -> None:
        self._model = model
        self._bound = bound
        self._within = within

    def visit_logical_expr(self, node: LogicalExpr) -> Condition:
        parts = [self.visit(term) for term in node.terms]
        return Every(parts) if node.op is LogicalOperator.and_ else Some(parts)

    def visit_not(self, node: Not) -> Condition:
        return Negation(self.visit(node.expr))

    def visit_present(self, node: Present) -> Condition:
        name, _ = self._attribute(node.attr_path)
        if name in _FIXED:
            name = name.partition(".")[0]
        return Negation(archived.Comparison(self._field(name), Operator.equal, None))

    def visit_value_path(self, node: ValuePath) -> Condition:
        name, _ = self._attribute(node.attr_path)
        return _Translation(self._model, self._bound, name).visit(node.val_filter)

    def visit_comparison(self, node: Comparison) -> Condition:
        name, binding = self._attribute(node.attr_path, compared=True)
        value = coerce_value(binding, node.value, node.op)
        negative = node.op.value == "ne"
        operator = Operator.equal if negative else Operator(node.op.value)
        found = self._compared(name, operator, value, binding.case_exact)
        return Negation(found) if negative else found

    def _compared(self, name: str, operator: Operator, value: Any, exact: bool) -> Condition:
        if name in _FIXED and operator is Operator.equal:
            # Of no user, if there is none of it.
            fits = str(_FIXED[name]).lower() == str(value).lower()
            has = Negation(
                archived.Comparison(self._field(name.partition(".")[0]), Operator.equal, None)
            )
            return has if fits else Some()
        if isinstance(value, str) and _IN_NO_FIELD.search(value):
            return Some()
        if isinstance(value, datetime):
            value = milliseconds(value)
        if isinstance(value, bool):
            value = int(value)
        return archived.Comparison(self._field(name), operator, value, exact)

    def _attribute(self, path: AttrPath, compared: bool = False) -> tuple[str, AttributeBinding]:
        """Return the name of an attribute. Raise as `ScimFilter` for one that there is not."""
        if self._within:
            sub = path.attr
            path = AttrPath(attr=self._within.rpartition(":")[2], sub_attr=sub)
        resolve = self._bound.resolve_comparison if compared else self._bound.resolve
        binding = resolve(path, strict=True)
        assert binding is not None
        return _name(binding), binding

    def _field(self, name: str) -> FieldPath:
        field = _FIELDS[self._model].get(name)
        if field is None:
            raise invalid(f"Filters cannot use {name!r}", "invalidFilter")
        return field
