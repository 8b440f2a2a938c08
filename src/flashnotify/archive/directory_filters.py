"""Conditions on people and groups as values, which a database turns into SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Operator(StrEnum):
    """How a field is compared."""

    equal = "eq"
    contains = "co"
    starts_with = "sw"
    ends_with = "ew"
    greater = "gt"
    greater_or_equal = "ge"
    less = "lt"
    less_or_equal = "le"


# A field of a record by name, or the path of an attribute: `("attributes", "department")`.
FieldPath: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field compared with a value: an equal None means that there is none.

    Texts are compared in any case, unless it is `exact`.
    """

    field: FieldPath
    operator: Operator
    value: str | int | float | None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Every:
    """All conditions hold. Without any, it holds."""

    parts: Sequence["Condition"] = ()


@dataclass(frozen=True, slots=True)
class Some:
    """One of the conditions holds. Without any, it never does."""

    parts: Sequence["Condition"] = ()


@dataclass(frozen=True, slots=True)
class Negation:
    """A condition does not hold."""

    part: "Condition"


Condition: TypeAlias = Comparison | Every | Some | Negation


@dataclass(frozen=True, slots=True)
class Slice:
    """Which matches a list shows: `limit` after the first `offset`, by a field or by id.

    Those without the field are last, or first if it is `descending`.
    """

    offset: int
    limit: int
    by: FieldPath | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True)
class GroupTotals:
    """What tells whether the members of a group changed: how many, the last to come, subgroups."""

    members: int
    last_since: int | None
    subgroups: int
