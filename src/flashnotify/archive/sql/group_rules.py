"""Rules of groups, as conditions on the attributes of people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal_column, or_, select
from sqlalchemy import not_ as negated

from flashnotify.archive.identity_models import User

# What a rule may hold beside attributes.
NOT, ANY = "not", "any"


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
    """Return whether an attribute has one of some values."""
    path = f"$.{json.dumps(name, ensure_ascii=False)}"
    values = func.json_each(User.attributes, path).table_valued("value", "atom")
    return select(literal_column("1")).select_from(values).where(values.c.atom.in_(wanted)).exists()
