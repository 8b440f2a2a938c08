"""Rules of groups, as conditions on the attributes of people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal_column, or_, select
from sqlalchemy import not_ as negated

from flashnotify.archive.identity_models import User

# What a rule may hold beside attributes.
NOT, ANY = "not", "any"
# A row whose attributes are damaged must not fail the others.
_attributes = case((func.json_valid(User.attributes) == 1, User.attributes), else_="{}")


def matching_rule(rule: Mapping[str, Any]) -> ColumnElement[bool]:
    """Return whether a person's attributes match a checked rule: all parts of it hold.

    A part is an attribute with the values that it may have, `not` with a rule that must not match,
    or `any` with rules of which one must match. An attribute that is an array has each value in it.
    """
    parts = []
    for name, wanted in rule.items():
        if name == NOT:
            parts.append(negated(matching_rule(wanted)))
        elif name == ANY:
            parts.append(or_(*map(matching_rule, wanted)))
        else:
            parts.append(_has(name, wanted))
    return and_(*parts)


def _has(name: str, wanted: Sequence[Any]) -> ColumnElement[bool]:
    """Return whether an attribute has one of some values, of the same type.

    Attributes are stored in ASCII, and SQLite before 3.45 finds a name only as it is stored.
    """
    path = f"$.{json.dumps(name)}"
    values = func.json_each(_attributes, path).table_valued("atom", "type")
    types = (
        (("true", "false"), [value for value in wanted if isinstance(value, bool)]),
        (("text",), [value for value in wanted if isinstance(value, str)]),
        (("integer", "real"), [v for v in wanted if not isinstance(v, bool | str)]),
    )
    found = [
        and_(values.c.type.in_(names), values.c.atom.in_(some)) for names, some in types if some
    ]
    return (
        select(literal_column("1"))
        .select_from(values)
        .where(func.json_type(_attributes, path) != "object", or_(*found))
        .exists()
    )
