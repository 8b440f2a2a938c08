"""What the clocks show where a person is."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from flashnotify.archive.people_records import DigestInterval, DigestTime


def zone_of(name: str | None, campus: ZoneInfo) -> ZoneInfo:
    """Return a person's time zone: the campus's, if they have none, or one that does not exist."""
    return (name and _zone(name)) or campus


# The zones of the IANA database are some hundreds.
@lru_cache(maxsize=1000)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def moment_at(day: date, local: time, zone: ZoneInfo) -> datetime:
    """Return when the clocks of `zone` show a time of day, in UTC.

    A time that occurs twice means the first occurrence; one that is skipped counts with the offset
    before the change (RFC 5545, section 3.3.5). Python's `fold=0` does both. The result is in UTC,
    since Python compares datetimes of one zone by wall-clock time.
    """
    return datetime.combine(day, local, zone).astimezone(UTC)


def next_digest(when: DigestTime, zone: ZoneInfo, now: datetime) -> datetime:
    """Return when the next digest after `now` comes, in UTC."""
    today = now.astimezone(zone).date()
    # A week, and the same day again if its time is past; one more, if a zone skips a day.
    days = (today + timedelta(days=number) for number in range(9))
    weekly = when.every is DigestInterval.weekly
    on = (day for day in days if not weekly or day.isoweekday() == when.weekday)
    return next(at for at in (moment_at(day, when.at, zone) for day in on) if at > now)
