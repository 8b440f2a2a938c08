"""The field for phone numbers."""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
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
        if _is_canonical(value):
            return value
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


# E.164 without a zero that could be a national prefix.
_CANONICAL = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


def _is_canonical(value: str) -> bool:
    """Return whether a number is certainly valid E.164; to ask phonenumbers takes 150 µs."""
    if not _CANONICAL.fullmatch(value):
        return False
    for digits in (2, 3, 4):
        pattern = _mobile_numbers(value[1:digits])
        if pattern is not None:
            return pattern.fullmatch(value, digits) is not None
    return False


@cache
def _mobile_numbers(code: str) -> re.Pattern[str] | None:
    """Return what the mobile numbers of the only country with a calling code match.

    None if there is no such country: several may share a code.
    """
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code), ())
    known = phonenumbers.PhoneMetadata.metadata_for_region(regions[0], None) if regions else None
    if known is None or len(regions) != 1 or known.general_desc is None or known.mobile is None:
        return None
    every, mobile = (d.national_number_pattern for d in (known.general_desc, known.mobile))
    if not every or not mobile:
        return None
    prefix = known.national_prefix_for_parsing
    lengths = "|".join(f"[0-9]{{{length}}}" for length in known.general_desc.possible_length)
    # A number may begin with what is a national prefix in others.
    other = f"(?!(?:{prefix})[0-9])" if prefix else ""
    return re.compile(rf"{other}(?=(?:{every})\Z)(?=(?:{lengths})\Z)(?:{mobile})", re.ASCII)
