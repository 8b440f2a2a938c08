"""The fields for a person's language, time zone and time of day."""

import re
from collections.abc import Mapping
from datetime import time
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


class TimeOfDay(Field[time]):
    """A time of day, in hours and minutes."""

    _form = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d", re.ASCII)
    accepts: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": f"^{_form.pattern}$"}

    def validate(self, value: object) -> time:
        """Return the time."""
        if isinstance(value, time):
            return value
        if isinstance(value, str) and self._form.fullmatch(value):
            return time.fromisoformat(value)
        raise InvalidValue("not_a_time_of_day", "must be a time of day such as 18:00")
