"""Slugs: the names of groups in addresses, `group:l3-info`."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from flashnotify.errors import InvalidValue
from flashnotify.meta.descriptors import Field

_FORM = r"[a-z0-9][a-z0-9._-]{0,99}"


class Slug(Field[str]):
    """A name of lower-case letters, digits, dots, hyphens and underscores that is no id."""

    accepts: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": f"^{_FORM}$"}

    def validate(self, value: object) -> str:
        """Return the slug unchanged."""
        if not isinstance(value, str):
            raise InvalidValue("wrong_type", "must be a string")
        if not re.fullmatch(_FORM, value):
            detail = "must be up to 100 of a-z, 0-9, . _ and -, and begin with a letter or digit"
            raise InvalidValue("invalid_slug", detail)
        if is_id(value):
            raise InvalidValue("invalid_slug", "must not have the form of an id")
        return value


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
