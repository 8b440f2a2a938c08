"""Conditions on people and groups, in SQL."""

import json
from collections.abc import Callable, Mapping
from string import ascii_lowercase, ascii_uppercase
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, false, func, literal, or_, true
from sqlalchemy import not_ as negated

from flashnotify.archive.directory_filters import (
    Comparison,
    Condition,
    Every,
    FieldPath,
    Operator,
    Some,
)
from flashnotify.archive.identity_models import User
from flashnotify.archive.people_models import Group, Membership, Subgroup

Made: TypeAlias = ColumnElement[bool]

# What users without a name from SCIM are called there.
user_name = func.coalesce(User.user_name, User.email, User.external_id)

_USERS: Mapping[str, ColumnElement[Any]] = {
    **{column.name: column for column in User.__table__.columns},
    "user_name": user_name,
}
_GROUPS: Mapping[str, ColumnElement[Any]] = {
    column.name: column for column in Group.__table__.columns
}
# As SQLite's own function, which knows the case of ASCII alone.
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_SIMPLE: Mapping[Operator, Callable[[Any, Any], Made]] = {
    Operator.equal: lambda field, value: field == value,
    Operator.contains: lambda field, value: field.contains(value, autoescape=True),
    Operator.starts_with: lambda field, value: field.startswith(value, autoescape=True),
    Operator.ends_with: lambda field, value: field.endswith(value, autoescape=True),
    Operator.greater: lambda field, value: field > value,
    Operator.greater_or_equal: lambda field, value: field >= value,
    Operator.less: lambda field, value: field < value,
    Operator.less_or_equal: lambda field, value: field <= value,
}


def matching_users(condition: Condition) -> Made:
    """Return a condition on users. Their `group` is the id of one that they are in."""

    def compared(found: Comparison) -> Made:
        name = found.field[0]
        if name == "group":
            return _related(found, Membership.user_id == User.id, Membership.group_id)
        if name == "user_name" and found.operator is Operator.equal and found.value is not None:
            return _named(str(found.value))
        return _compared(found, user_field(found.field))

    return _made(condition, compared)


def matching_groups(condition: Condition) -> Made:
    """Return a condition on groups. Their `member` is the id of a person or a group in it."""

    def compared(found: Comparison) -> Made:
        if found.field[0] != "member":
            return _compared(found, group_field(found.field))
        people = _related(found, Membership.group_id == Group.id, Membership.user_id)
        below = _related(found, Subgroup.group_id == Group.id, Subgroup.child_id)
        # None of both, if there is to be none.
        return and_(people, below) if found.value is None else or_(people, below)

    return _made(condition, compared)


def user_field(path: FieldPath) -> ColumnElement[Any]:
    """Return the column of a field of users, or the value of an attribute."""
    if path[0] == "attributes" and len(path) > 1:
        steps = "".join(f".{json.dumps(step, ensure_ascii=False)}" for step in path[1:])
        return func.json_extract(User.attributes, f"${steps}")
    return _USERS[path[0]]


def group_field(path: FieldPath) -> ColumnElement[Any]:
    """Return the column of a field of groups."""
    return _GROUPS[path[0]]


def _made(condition: Condition, compared: Callable[[Comparison], Made]) -> Made:
    if isinstance(condition, Comparison):
        return compared(condition)
    if isinstance(condition, Every):
        return and_(true(), *(_made(part, compared) for part in condition.parts))
    if isinstance(condition, Some):
        return or_(false(), *(_made(part, compared) for part in condition.parts))
    # What a missing value leaves unknown does not hold either.
    return negated(func.coalesce(_made(condition.part, compared), false()))


def _compared(found: Comparison, field: ColumnElement[Any]) -> Made:
    value: Any = found.value
    if found.field == ("id",):
        return _with_id(found, field)
    if value is None:
        return field.is_(None)
    if isinstance(value, str) and not found.exact:
        field, value = func.lower(field), value.translate(_LOWER)
    return _SIMPLE[found.operator](field, value)


def _with_id(found: Comparison, field: ColumnElement[Any]) -> Made:
    """Return whether an id is equal to a text; other comparisons of ids never hold."""
    id = _id(found.value)
    return field == id if id is not None and found.operator is Operator.equal else false()


def _related(found: Comparison, link: Made, other: Any) -> Made:
    """Return whether a relation has a row with another id, or any, or none if there is no value."""
    if found.value is None:
        return negated(exists().where(link))
    id = _id(found.value)
    return exists().where(link, other == id) if id is not None else false()


def _named(value: str) -> Made:
    """Return whether users have a name; for each place of it there is an index."""
    unnamed = User.user_name.is_(None)
    found = [
        func.lower(User.user_name) == func.lower(value),
        and_(unnamed, func.lower(User.email) == func.lower(value)),
        and_(unnamed, User.email.is_(None), User.external_id == literal(value)),
    ]
    if (id := _id(value)) is not None:
        found.append(and_(User.id == id, user_name.is_(None)))
    return or_(*found)


def _id(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
