"""The quiet hours of a kind, by the clocks of the campus."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flashnotify import kinds
from flashnotify.delivery.decision import Decider
from flashnotify.delivery.in_flight import InFlight
from flashnotify.delivery.quiet_hours import quiet_until
from flashnotify.domain import Priority, Window, milliseconds
from flashnotify.ids import UUIDv7
from flashnotify.meta.registry import NOTIFIERS
from flashnotify.people.refused_addresses import RefusedAddresses
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive
from tests.support.records import Records

DECLARATIONS = kinds  # importing it declares the kinds
PARIS = ZoneInfo("Europe/Paris")
NIGHT = Window(time(22), time(7))
ACADEMIC = NOTIFIERS["academic"]
NOON = milliseconds(datetime(2026, 12, 1, 12, tzinfo=PARIS))
MIDNIGHT = milliseconds(datetime(2026, 12, 2, 0, tzinfo=PARIS))
MORNING = milliseconds(datetime(2026, 12, 2, 7, tzinfo=PARIS))


def end(kind: str, channel: str, now: int, priority: Priority = Priority.low) -> int | None:
    """Return until when a channel of a kind waits."""
    spec, clock = NOTIFIERS[kind], ManualClock(now)
    archive = MemoryArchive()
    notification = Records(archive, clock.now).notification(kind=kind, priority=priority)
    refused = RefusedAddresses(archive.refused_addresses, clock, UUIDv7(clock.now))
    decider = Decider(InFlight(), PARIS, clock, refused)
    found = decider.quiet(spec, spec.channels[channel], notification)
    return None if found is None else found.due_at


@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("channel", ACADEMIC.channels)
def test_channels_that_ring_wait_for_the_morning_unless_it_is_critical(
    channel: str, priority: Priority
) -> None:
    waits = channel in ("sms", "push") and priority < Priority.critical
    assert end("academic", channel, MIDNIGHT, priority) == (MORNING if waits else None)
    assert end("academic", channel, NOON, priority) is None


@pytest.mark.parametrize(
    ("kind", "waits"),
    [
        ("academic", True),
        ("administrative", True),
        ("security", False),
        ("health", False),
        ("weather", False),
        ("infrastructure", False),
    ],
)
def test_kinds_have_quiet_hours_or_not(kind: str, waits: bool) -> None:
    assert end(kind, "sms", MIDNIGHT) == (MORNING if waits else None)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-12-01T21:59:59+01:00", None),
        ("2026-12-01T22:00:00+01:00", "2026-12-02T07:00:00+01:00"),
        ("2026-12-02T06:59:59+01:00", "2026-12-02T07:00:00+01:00"),
        ("2026-12-02T07:00:00+01:00", None),
        # The clocks go forward at 2:00 on 29 March 2026: a night of eight hours.
        ("2026-03-28T22:30:00+01:00", "2026-03-29T07:00:00+02:00"),
        ("2026-03-29T06:59:00+02:00", "2026-03-29T07:00:00+02:00"),
        # They go back at 3:00 on 25 October 2026: one of ten.
        ("2026-10-24T22:30:00+02:00", "2026-10-25T07:00:00+01:00"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T07:00:00+01:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T07:00:00+01:00"),
    ],
)
def test_the_night_is_that_of_the_clocks_on_the_wall(now: str, until: str | None) -> None:
    assert quiet_until(NIGHT, PARIS, datetime.fromisoformat(now)) == (
        datetime.fromisoformat(until) if until else None
    )


def test_an_hour_that_clocks_show_twice_ends_the_quiet_hours_the_first_time() -> None:
    window = Window(time(22), time(2, 30))
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    second = datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=PARIS)
    assert quiet_until(window, PARIS, datetime(2026, 10, 25, 1, tzinfo=PARIS)) == first
    assert quiet_until(window, PARIS, second) is None


def test_an_hour_that_clocks_skip_ends_them_as_if_they_had_not_gone_forward_yet() -> None:
    window = Window(time(22), time(2, 30))
    found = quiet_until(window, PARIS, datetime(2026, 3, 29, 1, tzinfo=PARIS))
    assert found == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
WINDOWS = st.tuples(TIMES, TIMES).filter(lambda ends: ends[0] != ends[1]).map(lambda e: Window(*e))
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("Europe/Paris", "America/St_Johns", "Asia/Kolkata", "UTC")]
)
MOMENTS = st.integers(1_700_000_000, 1_900_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))


@given(WINDOWS, ZONES, MOMENTS)
@example(NIGHT, PARIS, datetime(2026, 3, 29, 0, 30, tzinfo=UTC))
@example(NIGHT, PARIS, datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
def test_quiet_hours_end_when_clocks_show_their_end_and_are_quiet_until_then(
    window: Window, zone: ZoneInfo, now: datetime
) -> None:
    until = quiet_until(window, zone, now)
    # Seen by walking along the clock on the wall, away from the nights when it jumps.
    day = timedelta(days=1)
    offsets = {(now + shift).astimezone(zone).utcoffset() for shift in (-day, 0 * day, day)}
    shown = now.astimezone(zone).time()
    if window.begin < window.end:
        quiet = window.begin <= shown < window.end
    else:
        quiet = shown >= window.begin or shown < window.end
    if len(offsets) == 1:
        assert (until is not None) is quiet
    if until is not None:
        assert now < until <= now + timedelta(hours=25)
        # They are over then: nothing is put off twice.
        assert quiet_until(window, zone, until) is None
        if len(offsets) == 1:
            assert until.astimezone(zone).time() == window.end
