"""Placeholders in personalised text: `((first_name))`, `((attributes.room|to be announced))`.

They are a closed set of names, never a template language: values are not read again.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from flashnotify.archive.people_records import Person
from flashnotify.errors import InvalidValue

_PLACEHOLDER = re.compile(r"\(\(([^()|\n]*)(?:\|([^()\n]*))?\)\)")
# What begins like a placeholder and is none, such as one with a parenthesis in its default.
_BROKEN = re.compile(r"\(\(\s*[a-z_]+(?:\s*|\.[^()|\n]*(?:\n\s*)?)\|")
_ATTRIBUTE = "attributes."
_FIELDS: Mapping[str, Callable[[Person], str | None]] = {
    "first_name": lambda person: person.first_name,
    "last_name": lambda person: person.last_name,
    "name": lambda person: person.name,
    "email": lambda person: person.email,
    "external_id": lambda person: person.external_id,
}
KNOWN = (*_FIELDS, f"{_ATTRIBUTE}NAME")
# A value is one line: line breaks, control characters and lone surrogates become spaces.
_UNPRINTABLE = re.compile("[\x00-\x20\x7f-\xa0\ud800-\udfff\u2028\u2029]+")


class Placeholder(NamedTuple):
    """What a text has in the place of a value: a name and, perhaps, a default."""

    name: str
    default: str | None

    def __str__(self) -> str:
        return f"(({self.name}))"


class MissingValue(ValueError):
    """A person has no value for a placeholder, which has no default."""

    def __init__(self, placeholder: Placeholder) -> None:
        super().__init__(f"the person has no value for {placeholder}, which has no default")


def placeholders_in(text: str) -> list[Placeholder]:
    """Return the placeholders of a text. Raise `InvalidValue` if one is unknown or malformed."""
    found = [_read(match) for match in _PLACEHOLDER.finditer(text)]
    for placeholder in found:
        attribute = placeholder.name.removeprefix(_ATTRIBUTE)
        if placeholder.name not in _FIELDS and (attribute == placeholder.name or not attribute):
            raise InvalidValue(
                "unknown_placeholder",
                f"unknown placeholder {f'(({placeholder.name[:50]}))'}; expected one of "
                f"{', '.join(KNOWN)}",
            )
    if broken := _BROKEN.search(_PLACEHOLDER.sub("", text)):
        raise InvalidValue(
            "malformed_placeholder",
            f"{broken[0][:50]} begins a placeholder that does not end; its default must be on one "
            "line, without parentheses",
        )
    return found


def fill(text: str, person: Person | None) -> str:
    """Return a text with a person's values; without a person, with its defaults.

    Raises:
        MissingValue: there is neither a value nor a default.
    """

    def value(match: re.Match[str]) -> str:
        placeholder = _read(match)
        found = None if person is None else _value(placeholder.name, person)
        if found is not None:
            return found
        if placeholder.default is None:
            raise MissingValue(placeholder)
        return placeholder.default

    return _PLACEHOLDER.sub(value, text)


def _read(match: re.Match[str]) -> Placeholder:
    default = match[2]
    return Placeholder(match[1].strip(), None if default is None else default.strip())


def _value(name: str, person: Person) -> str | None:
    """Return a person's value for a known name, on one line; None if it is empty."""
    field = _FIELDS.get(name)
    found = field(person) if field else _text(person.attributes.get(name[len(_ATTRIBUTE) :]))
    return (_UNPRINTABLE.sub(" ", found).strip() or None) if found else None


def _text(attribute: object) -> str | None:
    """Return an attribute as people read it; None for what is neither text, number nor list."""
    if isinstance(attribute, list):
        return ", ".join(filter(None, map(_text, attribute)))
    if isinstance(attribute, str | int | float) and not isinstance(attribute, bool):
        return str(attribute)
    return None
