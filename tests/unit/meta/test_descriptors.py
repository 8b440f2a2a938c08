"""The fields: one validator each, on assignment and in the request model alike."""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from flashnotify.channels.email.channel import EmailMixin
from flashnotify.domain import Priority as Level
from flashnotify.domain import milliseconds, moment
from flashnotify.errors import DeclarationError, InvalidValue
from flashnotify.meta import Email, Moment, Notifier, Priority, Text, check_text
from flashnotify.meta.faults import explain
from flashnotify.meta.registry import Registry

KINDS: Registry[Any] = Registry("kind")


class FieldNotifier(EmailMixin, Notifier, registry=KINDS):
    """Every sort of field."""

    line = Text(max_length=10)
    lines = Text(multiline=True)
    at = Moment()
    contact = Email()
    priority = Priority(default="low")


REQUEST: dict[str, Any] = {"kind": "field", "title": "t", "body": "b", "to": ["mailto:a@x.example"]}


def assigned(name: str, value: object) -> Any:
    """The value as the attribute has it afterwards."""
    notifier = FieldNotifier()
    setattr(notifier, name, value)
    return getattr(notifier, name)


def requested(name: str, value: object) -> Any:
    """The value as the request model has it afterwards."""
    model = KINDS["field"].request.model_validate(REQUEST | {"data": {name: value}})
    return model.model_dump()["data"][name]


def code_of(error: ValueError) -> str:
    """Return the code of a refused value, whichever way it was refused."""
    if isinstance(error, ValidationError):
        (item,) = error.errors()
        return explain(item)[0]
    assert isinstance(error, InvalidValue)
    return error.code


WAYS = pytest.mark.parametrize("way", [assigned, requested])


@WAYS
@pytest.mark.parametrize(
    ("name", "value", "canonical"),
    [
        ("line", "Salle B204", "Salle B204"),
        ("line", "教室", "教室"),
        ("lines", "one\ntwo\r\n\tthree", "one\ntwo\r\n\tthree"),
        ("at", "2026-12-01T08:00:00+01:00", datetime(2026, 12, 1, 7, tzinfo=UTC)),
        ("at", "2026-12-01t08:00z", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("at", "2026-12-01 08:00:00.5Z", datetime(2026, 12, 1, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("at", datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        ("contact", "Ada.L@UNIV.example", "Ada.L@univ.example"),
        ("contact", "ada@bücher.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_takes_and_gives_the_canonical_value(
    way: Any, name: str, value: object, canonical: object
) -> None:
    assert way(name, value) == canonical


@WAYS
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("line", 3, "wrong_type"),
        ("line", "  ", "empty"),
        ("line", "x" * 11, "too_long"),
        ("line", "a\nb", "line_break"),
        ("line", "a\rb", "line_break"),
        ("line", "a\tb", "control_character"),
        ("line", "a\x00b", "control_character"),
        ("line", "a\x85b", "control_character"),
        ("line", "a\u2028b", "control_character"),
        ("line", "a\ud800b", "control_character"),
        ("lines", "a\x0bb", "control_character"),
        ("lines", "a\x1bb", "control_character"),
        ("at", "tomorrow", "not_a_timestamp"),
        ("at", "2026-12-01", "not_a_timestamp"),
        ("at", 1_800_000_000, "not_a_timestamp"),
        ("at", "2026-12-01T08:00:00", "not_a_timestamp"),
        ("at", datetime(2026, 12, 1), "missing_offset"),  # noqa: DTZ001  # the point of it
        ("at", "2026-13-01T08:00:00Z", "not_a_timestamp"),
        ("at", "2026-02-30T08:00:00Z", "not_a_timestamp"),
        # Moments that exist, but not in UTC with four digits: nothing could show them again.
        ("at", "0001-01-01T00:00:00+01:00", "out_of_range"),
        ("at", "9999-12-31T23:59:59-01:00", "out_of_range"),
        ("at", "9999-12-31T23:59:59.9999Z", "out_of_range"),
        ("contact", 3, "not_an_email_address"),
        ("contact", "ada", "not_an_email_address"),
        ("contact", "ada@univ.example\r\nBcc: all@univ.example", "not_an_email_address"),
        ("contact", "ada lovelace@univ.example", "not_an_email_address"),
        ("contact", "Ada <ada@univ.example>", "not_an_email_address"),
        ("contact", "zoë@univ.example", "not_an_email_address"),
    ],
)
def test_refuses_alike(way: Any, name: str, value: object, code: str) -> None:
    with pytest.raises(ValueError) as failure:  # noqa: PT011  # both ways raise one of their own
        way(name, value)
    assert code_of(failure.value) == code


def test_a_refused_value_leaves_the_old_one() -> None:
    notifier = FieldNotifier(line="old")
    with pytest.raises(InvalidValue) as failure:
        notifier.line = "new\n"
    assert failure.value.code == "line_break"
    assert notifier.line == "old"


def test_each_instance_has_its_own_values() -> None:
    first, second = FieldNotifier(line="1"), FieldNotifier()
    assert (first.line, second.line) == ("1", None)
    assert first.values() == {"line": "1"}
    assert second.values() == {}


@pytest.mark.parametrize("value", ["Low", "urgent", "", 3, None, True])
def test_priority_refuses_what_is_no_priority(value: object) -> None:
    with pytest.raises(InvalidValue) as validated:
        Priority(default="low").validate(value)
    with pytest.raises(InvalidValue) as assigned:
        FieldNotifier().priority = value
    assert validated.value.code == assigned.value.code == "unknown_value"
    if value is not None:
        with pytest.raises(ValidationError) as requested:
            KINDS["field"].request.model_validate(REQUEST | {"priority": value})
        assert code_of(requested.value) == "unknown_value"


@pytest.mark.parametrize("level", list(Level))
def test_priority_takes_each_name(level: Level) -> None:
    model = KINDS["field"].request.model_validate(REQUEST | {"priority": level.name})
    assert model.model_dump()["priority"] is level
    notifier = FieldNotifier()
    notifier.priority = level.name
    assert notifier.priority is level


def test_a_wrong_default_priority_fails_at_import() -> None:
    with pytest.raises(InvalidValue):
        Priority(default="hgih")


@given(st.datetimes(timezones=st.timezones()))
def test_every_moment_taken_can_be_shown_again(value: datetime) -> None:
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
    """What email-validator says, or None if it refuses, or if it may be taken for encoded."""
    try:
        found = validate_email(value, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return None
    return None if "=?" in value else found.ascii_email


@settings(max_examples=200)
@given(st.lists(st.tuples(LOCALS, st.sampled_from(DOMAINS)), min_size=1, max_size=4))
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
    field = Email()
    field.validate("first@univ.example")
    with monkeypatch.context() as patch:
        patch.setattr("flashnotify.meta.descriptors.validate_email", None)
        assert field.validate("second@univ.example") == "second@univ.example"


def test_the_domains_remembered_are_bounded() -> None:
    field = Email()
    for number in range(4200):
        field.validate(f"ada@d{number}.example")
    assert len(field._domains) == 4096
    assert "d4199.example" in field._domains


def test_a_reserved_name_is_no_field() -> None:
    with pytest.raises(DeclarationError, match=r"BadNotifier\.title"):

        class BadNotifier(EmailMixin, Notifier, registry=KINDS):
            """Wrong."""

            title = Text()
            priority = Priority(default="low")


@pytest.mark.parametrize("multiline", [False, True])
def test_every_character_is_judged_as_unicode_has_it(multiline: bool) -> None:
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
