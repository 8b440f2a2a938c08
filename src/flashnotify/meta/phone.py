"""The field for phone numbers."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar

import phonenumbers

from flashnotify.errors import InvalidValue
from flashnotify.meta.descriptors import Field


class Phone(Field[str]):
    """A phone number in international form, stored as E.164 (ITU-T)."""

    accepts: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": r"^\+[0-9 ().-]{4,38}$"}
    # phonenumbers drops what stands before or behind a number, and reads letters as digits.
    _other = re.compile(r"[^\W\d_]|[\x00-\x1f\x7f]")

    def validate(self, value: object) -> str:
        """Return the number as E.164: `+33612345678`."""
        if not isinstance(value, str) or len(value) > 40:
            raise InvalidValue("not_a_phone_number", "must be a phone number such as +33612345678")
        try:
            number = phonenumbers.parse(_with_plain_spaces(value), None)
        except phonenumbers.NumberParseException:
            raise InvalidValue(
                "not_a_phone_number",
                "not a valid phone number; include the country code, as in +33612345678",
            ) from None
        if number.extension or not phonenumbers.is_valid_number(number):
            raise InvalidValue("not_a_phone_number", "not a valid phone number; check its digits")
        if self._other.search(value.removeprefix("tel:")):
            raise InvalidValue(
                "not_a_phone_number",
                "must be a phone number without letters or control characters, as in +33612345678",
            )
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _with_plain_spaces(value: str) -> str:
    """Return the text with a space for each other space or invisible mark, as pages have them."""
    return "".join(" " if unicodedata.category(c) in ("Zs", "Cf") else c for c in value)
