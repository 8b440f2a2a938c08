"""Placeholders: what they are, and what fills them."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from flashnotify.archive.people_records import Person
from flashnotify.errors import InvalidValue
from flashnotify.people.placeholders import MissingValue, fill, placeholders_in


def person(**values: Any) -> Person:
    return Person(UUID(int=1), values.pop("name", "Ada Lovelace"), **values)


ADA = person(
    first_name="Ada",
    last_name="Lovelace",
    email="ada@univ.example",
    external_id="etu1",
    attributes={"room": "B204", "year": 3, "courses": ["ALG-2", "LOG-1"], "wheelchair": True},
)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hello ((first_name)) ((last_name))!", "Hello Ada Lovelace!"),
        ("((name)), ((email)), ((external_id))", "Ada Lovelace, ada@univ.example, etu1"),
        ("Room ((attributes.room|to be announced))", "Room B204"),
        ("Year (( attributes.year )): ((attributes.courses))", "Year 3: ALG-2, LOG-1"),
        ("In ((attributes.hall | to be announced))", "In to be announced"),
        ("((attributes.hall|))", ""),
        ("(((first_name)))", "(Ada)"),
        ("f((x) and ((", "f((x) and (("),
        # Neither true nor a list of nothing reads well.
        ("((attributes.wheelchair|unknown))", "unknown"),
    ],
)
def test_a_placeholder_becomes_the_value_or_else_its_default(text: str, filled: str) -> None:
    assert placeholders_in(text) is not None
    assert fill(text, ADA) == filled


def test_without_a_person_defaults_are_used() -> None:
    assert fill("Hello ((first_name|everybody))", None) == "Hello everybody"


@pytest.mark.parametrize("name", [None, "", " \n"])
def test_a_person_without_a_value_misses_it(name: str | None) -> None:
    with pytest.raises(MissingValue, match=r"no value for \(\(first_name\)\)"):
        fill("Hello ((first_name))", person(first_name=name))


def test_a_value_is_not_read_again_and_has_one_line() -> None:
    odd = person(first_name="((email))\r\nBcc: x@evil.example\x00\u2028{{ title }}", email="a@b.c")
    assert fill("((first_name))", odd) == "((email)) Bcc: x@evil.example {{ title }}"


@pytest.mark.parametrize(
    "text", ["((firstname))", "((attributes.))", "((x|y))", "(())", "((1 + 1))"]
)
def test_an_unknown_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="expected one of first_name, last_name") as caught:
        placeholders_in(text)
    assert caught.value.code == "unknown_placeholder"


@pytest.mark.parametrize("text", ["((first_name|you (all)))", "((attributes.room|a\nb))"])
def test_a_default_on_one_line_without_parentheses_is_demanded(text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        placeholders_in(text)
    assert caught.value.code == "malformed_placeholder"


def test_a_text_of_parentheses_is_read_in_no_time() -> None:
    for text in ("(" * 100_000, "((a" * 30_000, "((a|" * 30_000, "((a." + " " * 100_000):
        with suppress(InvalidValue):
            placeholders_in(text)
