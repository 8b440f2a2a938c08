"""Delays as people write them: `30min`, `tomorrow 8am`.

The grammar, in ABNF (RFC 5234); case does not matter, and neither does space around a part:

    delay    = ["in"] 1*(number unit) / [day [","] ["at"]] time
    unit     = "s" / "sec" / "second" / "m" / "min" / "minute" / "h" / "hour" / "d" / "day"
               / "w" / "week"            ; each also with a final "s"
    day      = "today" / "tomorrow" / "monday" … "sunday" / "mon" … "sun"
    time     = hour ":" minutes ["am" / "pm"] / hour ("am" / "pm") / "noon" / "midnight"

Days of a duration have 24 hours. Times of day are the campus's. A time alone is the next one; a
weekday is the next one that is not over; a time that the clocks skip is taken an hour later.
"""

import re
from datetime import datetime, time, timedelta, tzinfo

from flashnotify.domain import moment
from flashnotify.errors import InvalidValue

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNIT = r"(?:s(?:ec(?:ond)?)?|m(?:in(?:ute)?)?|h(?:our)?|d(?:ay)?|w(?:eek)?)s?"
_PART = re.compile(rf"(\d{{1,6}})\s*({_UNIT})(?![a-z])\s*")
_DURATION = re.compile(rf"(?:in\s+)?((?:\d{{1,6}}\s*{_UNIT}(?![a-z])\s*)+)")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = "|".join(("today", "tomorrow", *_DAYS, *(day[:3] for day in _DAYS)))
# A bare "8" is no time: it could be 8 minutes.
_TIME = r"(\d{1,2})(?=:|\s*[ap]m)(?::(\d\d))?\s*(am|pm)?|noon|midnight"
_CLOCK = re.compile(rf"(?:({_DAY})(?:\s*,)?\s+(?:at\s+)?)?((?:{_TIME}))")
_EXAMPLES = 'such as "30min", "1h30min", "8am", "tomorrow 8am" or "monday 17:30"'


def resolve(delay: str, now: int, zone: tzinfo) -> datetime:
    """Return the moment that a delay stands for at `now`, in milliseconds since the epoch.

    `zone` is the campus's. Raise `InvalidValue` if the delay does not follow the grammar.
    """
    text = delay.strip().lower()
    if duration := _DURATION.fullmatch(text):
        parts = _PART.findall(duration[1])
        seconds = sum(int(number) * _UNITS[unit[0]] for number, unit in parts)
        try:
            return (moment(now) + timedelta(seconds=seconds)).astimezone(zone)
        except OverflowError:
            raise InvalidValue("out_of_range", "too far in the future") from None
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        raise InvalidValue("not_a_delay", f"must be a delay {_EXAMPLES}")
    return _next(clock[1], _time(clock), moment(now).astimezone(zone))


def _time(clock: re.Match[str]) -> time:
    """Return the time of day of a match."""
    named = {"noon": time(12), "midnight": time(0)}.get(clock[2])
    if named is not None:
        return named
    hour, minute, half = int(clock[3]), int(clock[4] or 0), clock[5]
    if hour > (12 if half else 23) or (half and not hour) or minute > 59:
        raise InvalidValue("not_a_delay", f"has no valid time of day; must be a delay {_EXAMPLES}")
    return time(hour % 12 + 12 * (half == "pm") if half else hour, minute)


def _next(day: str | None, at: time, now: datetime) -> datetime:
    """Return the first moment after `now` that clocks show as `at` on `day`."""
    if day == "tomorrow":
        ahead = [1]
    elif day in (None, "today"):
        ahead = [0] if day else [0, 1]
    else:
        weekday = next(n for n, name in enumerate(_DAYS) if name.startswith(day or ""))
        to_go = (weekday - now.weekday()) % 7
        ahead = [to_go, to_go + 7]
    # The hour that clocks show twice is the first of the two that is to come.
    moments = (
        datetime.combine(now.date() + timedelta(days=days), at.replace(fold=fold), now.tzinfo)
        for days in ahead
        for fold in (0, 1)
    )
    # Compared in UTC: within one zone, Python compares what the clocks show.
    found = next((m for m in moments if m.timestamp() > now.timestamp()), None)
    if found is None:
        raise InvalidValue("in_the_past", f"{at:%H:%M} is over today; write tomorrow {at:%H:%M}")
    return found
