"""Pydantic's validation errors in our own codes and wording."""

from __future__ import annotations

from datetime import UTC, tzinfo
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from flashnotify.errors import FieldError, InvalidValue
from flashnotify.meta.descriptors import Moment
from flashnotify.meta.faults import explain, field_errors


def _even(value: int) -> int:
    if value % 2:
        raise InvalidValue("odd", "must be even")
    if value > 100:
        raise ValueError("is too much")
    return value


class Colour(StrEnum):
    red = "red"
    blue = "blue"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field("x", pattern="^[a-z]+$", examples=["ada"])


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inner: Inner = Inner()
    level: Literal["low", "high"] = "low"
    colour: Colour = Colour.red
    number: Annotated[int, Field(ge=2, le=200), AfterValidator(_even)] = 2
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    some: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]
    id: UUID | None = None
    flag: bool = True


@pytest.mark.parametrize(
    ("document", "pointer", "code", "detail"),
    [
        ({"inner": {"name": "A"}}, "/inner/name", "wrong_format", '^[a-z]+$, for example "ada"'),
        (
            {"inner": {"name": 3}},
            "/inner/name",
            "wrong_type",
            'must be a string, for example "ada"',
        ),
        ({"inner": {"nam": "a"}}, "/inner/nam", "unknown_field", "expected one of name"),
        ({"inner": []}, "/inner", "wrong_type", "must be a JSON object"),
        ({"a/b": 1}, "/a~1b", "unknown_field", "inner, level, colour, number, share, some, id"),
        ({"level": "mid"}, "/level", "unknown_value", "expected one of low, high"),
        ({"colour": "green"}, "/colour", "unknown_value", "expected one of red, blue"),
        ({"number": 1}, "/number", "out_of_range", "must be at least 2"),
        ({"number": 201}, "/number", "out_of_range", "must be at most 200"),
        ({"number": 3}, "/number", "odd", "must be even"),
        ({"number": 102}, "/number", "invalid", "is too much"),
        ({"number": 2.5}, "/number", "wrong_type", "must be a whole number"),
        ({"share": 0}, "/share", "out_of_range", "must be greater than 0"),
        ({"share": 1}, "/share", "out_of_range", "must be less than 1"),
        ({"some": []}, "/some", "empty", "must not be empty"),
        ({"some": [1, 2, 3]}, "/some", "too_many", "must have at most 2 entries"),
        ({"some": [1, "x"]}, "/some/1", "wrong_type", "must be a whole number"),
        ({"id": "x"}, "/id", "not_an_id", "must be a UUID"),
        ({"flag": "x"}, "/flag", "wrong_type", "must be true or false"),
    ],
)
def test_every_error_has_a_code_and_our_own_text(
    document: dict[str, Any], pointer: str, code: str, detail: str
) -> None:
    with pytest.raises(ValidationError) as failure:
        Outer.model_validate(document)
    (found,) = field_errors(failure.value, Outer)
    assert (found.pointer, found.code) == (pointer, code)
    assert detail in found.detail


def test_an_error_that_is_not_in_the_table_shows_nothing_of_pydantic() -> None:
    item = {"type": "new_in_a_later_version", "loc": ("x",), "msg": "Input should be …"}
    assert explain(item) == ("invalid", "is not valid")


class Room(BaseModel):
    name: str
    floor: int
    note: str | None = None


class Meeting(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = ""
    room: Room
    at: Annotated[Any, Moment()] = None


def mistakes(document: dict[str, Any], zone: tzinfo = UTC) -> dict[str, tuple[str, str]]:
    with pytest.raises(ValidationError) as failure:
        Meeting.model_validate(document)
    return {e.pointer: (e.code, e.detail) for e in field_errors(failure.value, Meeting, zone)}


def test_an_object_that_is_missing_names_what_it_must_have() -> None:
    assert mistakes({}) == {
        "/room/name": ("missing", "is required"),
        "/room/floor": ("missing", "is required"),
    }


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("titel", "; did you mean title?"),
        ("subject", "; did you mean title?"),
        ("Title", "; did you mean title?"),
        # No such field here.
        ("message", ""),
        ("x" * 100_000, ""),
    ],
)
def test_a_misspelt_field_names_the_nearest(name: str, hint: str) -> None:
    found = mistakes({"room": {"name": "x", "floor": 1}, name: 1})
    _, detail = found[f"/{name}"]
    assert detail == f"unknown field; expected one of title, room, at{hint}"


@pytest.mark.parametrize(
    ("time", "meant"),
    [
        ("2026-12-01T08:00:00", "2026-12-01T08:00:00+01:00 for Europe/Paris"),
        ("2026-07-01 08:00", "2026-07-01T08:00:00+02:00 for Europe/Paris"),
        # Clocks show it twice.
        (
            "2026-10-25T02:30:00",
            "2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00 for Europe/Paris",
        ),
    ],
)
def test_a_time_without_an_offset_is_shown_with_that_of_the_campus(time: str, meant: str) -> None:
    found = mistakes({"room": {"name": "x", "floor": 1}, "at": time}, ZoneInfo("Europe/Paris"))
    code, detail = found["/at"]
    assert code == "missing_offset"
    assert detail == f"has no offset; write {meant}"


def test_a_refused_value_is_an_error_at_its_place() -> None:
    assert FieldError.of("/x", InvalidValue("odd", "must be even")) == FieldError(
        "/x", "odd", "must be even"
    )
    assert FieldError.of("/x", ValueError("no")) == FieldError("/x", "invalid", "no")
