"""The fields for a person's language and time zone."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from flashnotify.errors import InvalidValue
from flashnotify.meta.descriptors import Field

LOCALE_PATTERN = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$"


class Locale(Field[str]):
    """A language, perhaps of a country: `fr` or `fr-CA`."""

    accepts: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": LOCALE_PATTERN}
    _form = re.compile(LOCALE_PATTERN.replace("$", r"\Z"))

    def validate(self, value: object) -> str:
        """Return the locale unchanged."""
        if isinstance(value, str) and len(value) <= 35 and self._form.match(value):
            return value
        raise InvalidValue("not_a_locale", "must be a language such as fr or fr-CA")


class TimeZone(Field[str]):
    """A time zone by its IANA name."""

    def validate(self, value: object) -> str:
        """Return the name unchanged."""
        if not isinstance(value, str):
            raise InvalidValue("not_a_time_zone", "must be a time zone such as Europe/Paris")
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            message = "there is no such time zone in the IANA database"
            raise InvalidValue("not_a_time_zone", message) from None
        return value
