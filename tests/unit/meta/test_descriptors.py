"""Field descriptors validate alike on assignment and in the request model."""

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from flashnotify.channels.email.channel import EmailMixin
from flashnotify.domain import Priority as Level
from flashnotify.domain import Window, milliseconds, moment
from flashnotify.errors import DeclarationError, InvalidValue
from flashnotify.meta import (
    Choice,
    Email,
    Field,
    Id,
    Moment,
    Notifier,
    Phone,
    Priority,
    Slug,
    Text,
    TimeWindow,
    check_text,
)
from flashnotify.meta.faults import explain
from flashnotify.meta.registry import Registry

KINDS: Registry[Any] = Registry("kind")


PLACE = "01a204ab-133f-7000-95d3-66f8d33980d8"


class FieldNotifier(EmailMixin, Notifier, registry=KINDS):
    """A field of every type."""

    line = Text(max_length=10)
    lines = Text(multiline=True)
    at = Moment()
    contact = Email()
    phone = Phone()
    choice = Choice("red", "blue")
    id = Id()
    slug = Slug()
    window = TimeWindow()
    priority = Priority(default="low")


MODEL = KINDS["field"].request
REQUEST: dict[str, Any] = {"kind": "field", "title": "t", "body": "b", "to": ["mailto:a@x.example"]}


def assigned(name: str, value: object) -> Any:
    """Assign a value and return the attribute."""
    notifier = FieldNotifier()
    setattr(notifier, name, value)
    return getattr(notifier, name)


def requested(name: str, value: object) -> Any:
    """Validate a request and return its field."""
    return getattr(MODEL.model_validate(REQUEST | {"data": {name: value}}).data, name)


def mistake(error: ValueError) -> tuple[str, str]:
    """Return the code and the text of a rejected value."""
    if isinstance(error, ValidationError):
        (item,) = error.errors()
        return explain(item)
    assert isinstance(error, InvalidValue)
    return error.code, str(error)


WAYS = pytest.mark.parametrize("way", [assigned, requested])
# By field: values and their canonical forms.
ACCEPTED: dict[str, list[tuple[object, object]]] = {
    "line": [("Salle B204", "Salle B204"), ("教室", "教室")],
    "lines": [("one\ntwo\r\n\tthree", "one\ntwo\r\n\tthree")],
    "at": [
        ("2026-12-01T08:00:00+01:00", datetime(2026, 12, 1, 7, tzinfo=UTC)),
        ("2026-12-01t08:00z", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01 08:00:00.5Z", datetime(2026, 12, 1, 8, 0, 0, 500_000, tzinfo=UTC)),
        (datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
    ],
    "contact": [
        ("Ada.L@UNIV.example", "Ada.L@univ.example"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
    ],
    "phone": [
        ("+33612345678", "+33612345678"),
        ("+33 (0)6 12 34 56 78", "+33612345678"),
        ("+44 20 7946 0958", "+442079460958"),
        ("tel:+33-6-12-34-56-78", "+33612345678"),
    ],
    "choice": [("red", "red")],
    "id": [(form, UUID(PLACE)) for form in (PLACE, PLACE.upper(), UUID(PLACE))],
    "slug": [(name, name) for name in ("it-team", "a", "l3-info-2026", "x" * 64)],
    "window": [
        ("22:00-07:00", Window(time(22), time(7))),
        ("00:00-23:59", Window(time(0), time(23, 59))),
        (Window(time(12), time(14)), Window(time(12), time(14))),
    ],
}
# By field, code and text: values.
REJECTED: dict[tuple[str, str, str], list[object]] = {
    ("line", "wrong_type", "must be a string"): [3],
    ("line", "empty", "must not be empty"): ["  "],
    ("line", "too_long", "at most 10 characters"): ["x" * 11],
    ("line", "line_break", "must be a single line"): ["a\nb", "a\rb"],
    ("line", "control_character", "must not contain"): [
        f"a{character}b" for character in "\t\x00\x85\u2028\ud800"
    ],
    ("lines", "control_character", "must not contain"): ["a\x0bb", "a\x1bb"],
    ("at", "not_a_timestamp", "must be a date and time with an offset"): [
        "tomorrow", "2026-12-01", 1_800_000_000, "２０２６-12-01T08:00:00Z",
    ],
    ("at", "not_a_timestamp", "not a valid date and time; check its day, hour and offset"): [
        "2026-13-01T08:00:00Z", "2026-02-30T08:00:00Z", "2026-02-03T08:00:00+99:00",
    ],
    ("at", "missing_offset", "has no offset; write 2026-12-01T08:00:00+00:00"): [
        "2026-12-01T08:00:00", datetime(2026, 12, 1, 8),  # noqa: DTZ001  # the point of it
    ],
    # Moments that exist, but not in UTC with four digits: nothing could show them again.
    ("at", "out_of_range", "too far in the past or the future"): [
        "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.9999Z",
    ],
    ("contact", "not_an_email_address", ""): [
        3, "ada", "ada@univ.example\r\nBcc: all@univ.example", "ada lovelace@univ.example",
        "Ada <ada@univ.example>", "zoë@univ.example",
    ],
    ("phone", "not_a_phone_number", "country code, as in +33612345678"): [
        "0612345678", "+99912345678", "hello", "",
    ],
    ("phone", "not_a_phone_number", "not a valid phone number; check its digits"): [
        "+3361234", "+33612345678;ext=12",
    ],
    ("phone", "not_a_phone_number", "without letters or control characters"): [
        "+33612345678\0", "+33612345678\n", "+33612345678x", "call +33612345678", "+1800FLOWERS",
    ],
    ("phone", "not_a_phone_number", "such as +33612345678"): [
        "+336" + "1" * 60, 33612345678, None,
    ],
    ("choice", "unknown_value", "one of red, blue"): ["green", "RED", ["red"], None],
    ("id", "not_an_id", "expected a UUID such as 01"): ["1234", "", 12, None],
    ("slug", "not_a_slug", "such as it-team"): [
        "IT-Team", "-a", "a-", "équipe", "a\n", "x" * 65, "", 1,
    ],
    ("window", "not_a_time_window", "such as 22:00-07:00"): [
        "22:00", "22h-7h", "24:00-07:00", "22:60-07:00", "22:00-07:00\n", "٢٢:00-07:00", 22, None,
    ],
    ("window", "not_a_time_window", "must not begin and end at the same time"): ["07:00-07:00"],
}  # fmt: skip


@WAYS
@pytest.mark.parametrize(
    ("name", "value", "canonical"),
    [(name, *pair) for name, pairs in ACCEPTED.items() for pair in pairs],
)
def test_valid_values_are_kept_in_canonical_form(
    way: Callable[[str, object], Any], name: str, value: object, canonical: object
) -> None:
    assert way(name, value) == canonical


@WAYS
@pytest.mark.parametrize(
    ("name", "code", "text", "value"),
    [(*expected, value) for expected, values in REJECTED.items() for value in values],
)
def test_invalid_values_are_rejected_with_a_remedy(
    way: Callable[[str, object], Any], name: str, code: str, text: str, value: object
) -> None:
    with pytest.raises(ValueError) as failure:  # noqa: PT011  # both ways raise one of their own
        way(name, value)
    found, detail = mistake(failure.value)
    assert found == code
    assert text in detail


@pytest.mark.parametrize("name", ACCEPTED)
def test_fields_are_none_until_assigned_and_not_shared(name: str) -> None:
    one, other = FieldNotifier(), FieldNotifier()
    assert getattr(one, name) is None
    setattr(one, name, ACCEPTED[name][0][0])
    assert getattr(one, name) is not None
    assert getattr(other, name) is None
    assert (list(one.values()), other.values()) == ([name], {})


def test_a_rejected_value_leaves_the_old_one() -> None:
    notifier = FieldNotifier(line="old")
    with pytest.raises(InvalidValue) as failure:
        notifier.line = "new\n"
    assert failure.value.code == "line_break"
    assert notifier.line == "old"


@pytest.mark.parametrize("value", ["Low", "urgent", "", 3, None, True])
def test_priority_rejects_other_values(value: object) -> None:
    with pytest.raises(InvalidValue) as validated:
        Priority(default="low").validate(value)
    with pytest.raises(InvalidValue) as assigned:
        FieldNotifier().priority = value
    assert validated.value.code == assigned.value.code == "unknown_value"
    if value is not None:
        with pytest.raises(ValidationError) as requested:
            MODEL.model_validate(REQUEST | {"priority": value})
        assert mistake(requested.value)[0] == "unknown_value"


@pytest.mark.parametrize("level", list(Level))
def test_priority_accepts_each_name(level: Level) -> None:
    model = MODEL.model_validate(REQUEST | {"priority": level.name})
    assert model.model_dump()["priority"] is level
    notifier = FieldNotifier()
    notifier.priority = level.name
    assert notifier.priority is level


def test_a_wrong_default_priority_fails_at_import() -> None:
    with pytest.raises(InvalidValue):
        Priority(default="hgih")


@given(st.datetimes(timezones=st.timezones()))
def test_every_accepted_moment_can_be_shown_again(value: datetime) -> None:
    try:
        taken = Moment().validate(value)
    except ValueError:
        # Only at the ends of the calendar.
        assert value.year in (1, 9999)
        return
    assert abs(moment(milliseconds(taken)) - taken) <= timedelta(milliseconds=1)


DOMAINS = (
    "univ.example",
    "a-b.c.univ.example",
    "xn--bcher-kva.example",
    ".".join(["d" * 60] * 3 + ["e" * 40, "example"]),
    "localhost",
    "Univ.example",
    "univ..example",
)
HOSTS = st.one_of(
    st.sampled_from(DOMAINS),
    st.text("abxn09-.", min_size=1, max_size=12).map("{}.example".format),
    st.text("az09-.", min_size=1, max_size=12),
    st.text("az-.", min_size=60, max_size=68).map("{}.example".format),
    st.integers(60, 66).map(lambda size: f"{'d' * size}.{'e' * size}"),
    st.sampled_from(SPECIAL_USE_DOMAIN_NAMES).map("univ.{}".format),
)
LOCALS = st.one_of(
    st.from_regex(
        r"[a-z0-9]+([._+-][a-z0-9]+)*", fullmatch=True, alphabet=st.characters(codec="ascii")
    ),
    st.text("abz09._+-\"%@ '/=Aé\r\n\x00", max_size=70),
    st.text("ab.", min_size=58, max_size=68),
    st.text(max_size=10),
    st.sampled_from(["postmaster", "POSTMASTER", "abuse", "a" * 64, "a" * 65, '"a@b"']),
)


def expected(value: str) -> str | None:
    """Return the canonical address by email-validator, or None if it is rejected."""
    try:
        found = validate_email(value, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return None
    return None if "=?" in value else found.ascii_email


@settings(max_examples=200)
@given(st.lists(st.tuples(LOCALS, HOSTS), min_size=1, max_size=4))
@example([("x", DOMAINS[3]), ("a" * 31, DOMAINS[3]), ("a" * 32, DOMAINS[3])])
def test_the_short_path_is_equal_to_email_validator(addresses: list[tuple[str, str]]) -> None:
    field = Email()
    for known in DOMAINS[:4]:
        field.validate(f"x@{known}")
    for local, domain in addresses:
        value = f"{local}@{domain}"
        try:
            found: str | None = field.validate(value)
        except ValueError:
            found = None
        assert found == expected(value)


def test_an_address_that_looks_like_an_encoded_word_is_refused() -> None:
    with pytest.raises(InvalidValue) as failure:
        Email().validate("=?utf-8?q?=0D=0ABcc?=@univ.example")
    assert failure.value.code == "encoded_word"


def test_the_short_path_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    field = Email(special=True)
    field.validate("first@xn--bcher-kva.example")
    with monkeypatch.context() as patch:
        patch.setattr("flashnotify.meta.descriptors.validate_email", None)
        for domain in ("xn--bcher-kva.example", "a-b.univ.example", "mail.local", "localhost"):
            assert field.validate(f"second@{domain}") == f"second@{domain}"


def test_the_domains_remembered_are_bounded() -> None:
    field = Email()
    for number in range(4200):
        field.validate(f"ada@d--{number}.example")
    assert len(field._domains) == 4096
    assert "d--4199.example" in field._domains


def test_a_field_must_not_have_a_reserved_name() -> None:
    with pytest.raises(DeclarationError, match=r"BadNotifier\.title"):

        class BadNotifier(EmailMixin, Notifier, registry=KINDS):
            """Wrong."""

            title = Text()
            priority = Priority(default="low")


@pytest.mark.parametrize("multiline", [False, True])
def test_characters_are_rejected_by_their_unicode_category(multiline: bool) -> None:
    passing = "\n\r\t" if multiline else ""
    for number in range(0x11_0000):
        character = chr(number)
        refused = unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        try:
            check_text(character, multiline=multiline)
        except ValueError:
            assert refused, hex(number)
            assert character not in passing, hex(number)
        else:
            assert not refused or character in passing, hex(number)


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("choice", {"type": "string", "enum": ["red", "blue"]}),
        ("id", {"type": "string", "format": "uuid"}),
        ("slug", {"type": "string", "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"}),
    ],
)
def test_the_schema_of_a_request_describes_its_fields(name: str, schema: dict[str, Any]) -> None:
    properties = MODEL.model_json_schema()["$defs"]["FieldData"]["properties"]
    assert properties[name] == {"title": name.title(), "default": None, **schema}


def test_a_window_is_stored_as_text() -> None:
    registry: Registry[Any] = Registry("kind")

    class OpeningNotifier(EmailMixin, Notifier, registry=registry):
        """The opening hours of a place."""

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


def test_quiet_hours_are_a_policy_and_not_a_field() -> None:
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


def test_invalid_hours_fail_when_declared() -> None:
    with pytest.raises(ValueError, match="such as 22:00-07:00"):
        TimeWindow("22-7")


@pytest.mark.parametrize(
    "space",
    [
        "\N{NARROW NO-BREAK SPACE}",
        "\N{NO-BREAK SPACE}",
        "\N{FIGURE SPACE}",
        "\N{THIN SPACE}",
        "\N{IDEOGRAPHIC SPACE}",
        "\N{ZERO WIDTH SPACE}",
        "\N{LEFT-TO-RIGHT EMBEDDING}",
        "\N{WORD JOINER}",
    ],
)
def test_a_phone_number_may_have_any_space_or_invisible_mark(space: str) -> None:
    written = f"{space}+33{space}6 12{space}34 56 78{space}"
    assert Phone().validate(written) == "+33612345678"
