"""Descriptors: one definition, the same verdict on assignment and in the request model."""

from collections.abc import Callable
from datetime import time
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError, create_model

from flashnotify.channels.email.channel import EmailMixin
from flashnotify.domain import Window
from flashnotify.errors import DeclarationError
from flashnotify.meta import Choice, Field, Id, Notifier, Phone, Priority, Slug, TimeWindow
from flashnotify.meta.registry import Registry
from flashnotify.meta.requests import field_type

PLACE = "01a204ab-133f-7000-95d3-66f8d33980d8"


class Sample:
    """Something with a field of each sort."""

    phone = Phone()
    choice = Choice("red", "blue")
    id = Id()
    slug = Slug()
    window = TimeWindow()


def assigned(name: str, value: object) -> Any:
    sample = Sample()
    setattr(sample, name, value)
    return getattr(sample, name)


def requested(name: str, value: object) -> Any:
    return getattr(request_model(name).model_validate({name: value}), name)


def request_model(name: str) -> type[BaseModel]:
    member: dict[str, Any] = {name: (field_type(getattr(Sample, name)), ...)}
    return create_model("Sample", **member)


WAYS = pytest.mark.parametrize("way", [assigned, requested])


@WAYS
@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("phone", "+33612345678", "+33612345678"),
        ("phone", "+33 (0)6 12 34 56 78", "+33612345678"),
        ("phone", "+44 20 7946 0958", "+442079460958"),
        ("phone", "tel:+33-6-12-34-56-78", "+33612345678"),
        ("choice", "red", "red"),
        ("id", PLACE, UUID(PLACE)),
        ("id", PLACE.upper(), UUID(PLACE)),
        ("id", UUID(PLACE), UUID(PLACE)),
        ("slug", "it-team", "it-team"),
        ("slug", "a", "a"),
        ("slug", "l3-info-2026", "l3-info-2026"),
        ("slug", "x" * 64, "x" * 64),
        ("window", "22:00-07:00", Window(time(22), time(7))),
        ("window", "00:00-23:59", Window(time(0), time(23, 59))),
        ("window", Window(time(12), time(14)), Window(time(12), time(14))),
    ],
)
def test_what_is_right_is_kept_in_canonical_form(
    way: Callable[[str, object], Any], name: str, value: object, kept: object
) -> None:
    assert way(name, value) == kept


@WAYS
@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("phone", "0612345678", "include the country code, as in +33612345678"),
        ("phone", "+3361234", "not a valid phone number; check its digits"),
        ("phone", "+33612345678;ext=12", "not a valid phone number; check its digits"),
        ("phone", "+99912345678", "country code"),
        ("phone", "hello", "country code"),
        ("phone", "", "country code"),
        ("phone", "+336" + "1" * 60, "such as +33612345678"),
        ("phone", 33612345678, "such as +33612345678"),
        ("phone", None, "such as +33612345678"),
        ("choice", "green", "one of red, blue"),
        ("choice", "RED", "one of red, blue"),
        ("choice", ["red"], "one of red, blue"),
        ("choice", None, "one of red, blue"),
        ("id", "1234", "expected a UUID such as 01"),
        ("id", "", "expected a UUID such as 01"),
        ("id", 12, "expected a UUID such as 01"),
        ("id", None, "expected a UUID such as 01"),
        ("slug", "IT-Team", "such as it-team"),
        ("slug", "-a", "such as it-team"),
        ("slug", "a-", "such as it-team"),
        ("slug", "équipe", "such as it-team"),
        ("slug", "a\n", "such as it-team"),
        ("slug", "x" * 65, "such as it-team"),
        ("slug", "", "such as it-team"),
        ("slug", 1, "such as it-team"),
        ("window", "22:00", "such as 22:00-07:00"),
        ("window", "22h-7h", "such as 22:00-07:00"),
        ("window", "24:00-07:00", "such as 22:00-07:00"),
        ("window", "22:60-07:00", "such as 22:00-07:00"),
        ("window", "22:00-07:00\n", "such as 22:00-07:00"),
        ("window", "٢٢:00-07:00", "such as 22:00-07:00"),
        ("window", "07:00-07:00", "must not begin and end at the same time"),
        ("window", 22, "such as 22:00-07:00"),
        ("window", None, "such as 22:00-07:00"),
    ],
)
def test_what_is_wrong_is_refused_with_what_to_write_instead(
    way: Callable[[str, object], Any], name: str, value: object, remedy: str
) -> None:
    with pytest.raises((ValueError, ValidationError)) as refused:
        way(name, value)
    assert remedy in str(refused.value)


@pytest.mark.parametrize("name", ["phone", "choice", "id", "slug", "window"])
def test_nothing_is_there_until_it_is_assigned_and_instances_share_nothing(name: str) -> None:
    value = {"phone": "+33612345678", "choice": "red", "id": PLACE, "slug": "a"}.get(
        name, "22:00-07:00"
    )
    one, other = Sample(), Sample()
    assert getattr(one, name) is None
    setattr(one, name, value)
    assert getattr(one, name) is not None
    assert getattr(other, name) is None


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("choice", {"type": "string", "enum": ["red", "blue"]}),
        ("id", {"type": "string", "format": "uuid"}),
        ("slug", {"type": "string", "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"}),
    ],
)
def test_the_request_model_says_in_its_schema_what_it_takes(
    name: str, schema: dict[str, Any]
) -> None:
    said = request_model(name).model_json_schema()["properties"][name]
    assert said == {"title": name.title(), **schema}


def test_a_window_survives_the_archive_as_it_was_written() -> None:
    registry: Registry[Any] = Registry("kind")

    class OpeningNotifier(EmailMixin, Notifier, registry=registry):
        """The hours of a place."""

        hours = TimeWindow(required=True)
        priority = Priority(default="low")

    request = registry["opening"].request.model_validate(
        {
            "kind": "opening",
            "title": "t",
            "body": "b",
            "to": ["mailto:a@univ.example"],
            "data": {"hours": "08:00-20:00"},
        }
    )
    assert request.data.model_dump(mode="json") == {"hours": "08:00-20:00"}
    assert str(OpeningNotifier(hours="08:00-20:00").values()["hours"]) == "08:00-20:00"


def test_quiet_hours_are_a_policy_of_the_kind_and_no_field_of_its_data() -> None:
    registry: Registry[Any] = Registry("kind")

    class CalmNotifier(EmailMixin, Notifier, registry=registry):
        """Something that can wait."""

        priority = Priority(default="low")
        quiet_hours = TimeWindow("21:30-08:00")

    spec = registry["calm"]
    assert str(spec.quiet_hours) == "21:30-08:00"
    assert dict(spec.fields) == {}


@pytest.mark.parametrize("wrong", [TimeWindow(), Slug()])
def test_quiet_hours_without_hours_fail_when_declared(wrong: Field[Any]) -> None:

    with pytest.raises(DeclarationError, match=r"LoudNotifier\.quiet_hours: .*22:00-07:00"):

        class LoudNotifier(EmailMixin, Notifier, registry=Registry("kind")):
            """Something loud."""

            priority = Priority(default="low")
            quiet_hours = wrong


def test_wrong_hours_fail_when_declared() -> None:
    with pytest.raises(ValueError, match="such as 22:00-07:00"):
        TimeWindow("22-7")
