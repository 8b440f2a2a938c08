"""Delays as people write them, in campus time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify.domain import milliseconds
from flashnotify.errors import InvalidValue
from flashnotify.intake.delays import resolve

PARIS = ZoneInfo("Europe/Paris")
# A Saturday; clocks go back in the night that follows.
NOW = datetime(2026, 10, 24, 20, 30, tzinfo=PARIS)


def at(delay: str, now: datetime = NOW) -> str:
    return resolve(delay, milliseconds(now), PARIS).isoformat()


@pytest.mark.parametrize(
    ("delay", "after"),
    [
        ("90s", timedelta(seconds=90)),
        ("30min", timedelta(minutes=30)),
        ("30 minutes", timedelta(minutes=30)),
        ("1h30min", timedelta(minutes=90)),
        ("1h 30m", timedelta(minutes=90)),
        ("in 2 hours", timedelta(hours=2)),
        ("1d", timedelta(hours=24)),
        ("2 weeks", timedelta(days=14)),
        ("0s", timedelta()),
    ],
)
def test_a_duration_counts_from_now(delay: str, after: timedelta) -> None:
    found = resolve(delay, milliseconds(NOW), PARIS)
    assert found.astimezone(UTC) - NOW.astimezone(UTC) == after


@pytest.mark.parametrize(
    ("delay", "moment"),
    [
        ("tomorrow 8am", "2026-10-25T08:00:00+01:00"),
        ("Tomorrow, 8am", "2026-10-25T08:00:00+01:00"),
        ("tomorrow at 17:30", "2026-10-25T17:30:00+01:00"),
        ("today 23:00", "2026-10-24T23:00:00+02:00"),
        ("9pm", "2026-10-24T21:00:00+02:00"),
        ("8am", "2026-10-25T08:00:00+01:00"),
        ("20:30", "2026-10-25T20:30:00+01:00"),
        ("8:15 pm", "2026-10-25T20:15:00+01:00"),
        ("12am", "2026-10-25T00:00:00+02:00"),
        ("noon", "2026-10-25T12:00:00+01:00"),
        ("midnight", "2026-10-25T00:00:00+02:00"),
        ("monday 17:30", "2026-10-26T17:30:00+01:00"),
        ("Mon 9am", "2026-10-26T09:00:00+01:00"),
        ("saturday 21:00", "2026-10-24T21:00:00+02:00"),
        ("saturday 8am", "2026-10-31T08:00:00+01:00"),
    ],
)
def test_a_time_of_day_is_the_next_one_on_the_campus(delay: str, moment: str) -> None:
    assert at(delay) == moment


def test_the_hour_that_clocks_show_twice_is_the_first_to_come() -> None:
    assert at("2:30") == "2026-10-25T02:30:00+02:00"
    first = datetime(2026, 10, 25, 2, 40, tzinfo=PARIS)
    assert at("2:30", first) == "2026-10-25T02:30:00+01:00"
    assert at("2:50", first) == "2026-10-25T02:50:00+02:00"
    second = first.replace(fold=1)
    assert at("2:30", second) == "2026-10-26T02:30:00+01:00"


def test_a_time_that_clocks_skip_is_an_hour_later() -> None:
    before = datetime(2027, 3, 27, 12, tzinfo=PARIS)
    found = resolve("tomorrow 2:30", milliseconds(before), PARIS)
    shown = found.astimezone(UTC).astimezone(PARIS)
    assert shown.isoformat() == "2027-03-28T03:30:00+02:00"


@pytest.mark.parametrize(
    ("delay", "code"),
    [
        *(
            (text, "not_a_delay")
            for text in ("", "soon", "8", "30", "tomorrow", "1h30", "5 months", "-5min", "1.5h")
        ),
        *((text, "not_a_delay") for text in ("25:00", "13pm", "0am", "8:60", "8:0", "someday 8am")),
        ("today 8am", "in_the_past"),
        ("999999w", "out_of_range"),
    ],
)
def test_anything_else_is_refused(delay: str, code: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        at(delay)
    assert refused.value.code == code


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001  # given its zone below
    st.integers(0, 23),
    st.integers(0, 59),
)
def test_a_time_alone_is_within_the_next_day_or_so(now: datetime, hour: int, minute: int) -> None:
    start = now.replace(tzinfo=PARIS)
    found = resolve(f"{hour}:{minute:02}", milliseconds(start), PARIS)
    ahead = found.timestamp() - start.timestamp()
    assert 0 < ahead <= 25 * 3600
    assert (found.hour, found.minute) == (hour, minute)
