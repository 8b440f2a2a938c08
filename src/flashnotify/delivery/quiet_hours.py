"""Quiet hours: how long deliveries that would ring have to wait."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flashnotify.domain import Window


def quiet_until(window: Window, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return the end, in UTC, of the quiet hours that `now` is in; None outside of them."""
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        begin = _at(day, window.begin, zone)
        last_day = day if window.begin < window.end else day + timedelta(days=1)
        end = _at(last_day, window.end, zone)
        if begin <= now < end:
            return end
    return None


def _at(day: date, local: time, zone: ZoneInfo) -> datetime:
    """Return when the clocks of `zone` show a time of day, in UTC.

    A time that occurs twice means the first occurrence; one that is skipped counts with the offset
    before the change (RFC 5545, section 3.3.5). Python's `fold=0` does both. The result is in UTC,
    since Python compares datetimes of one zone by wall-clock time.
    """
    return datetime.combine(day, local, zone).astimezone(UTC)
