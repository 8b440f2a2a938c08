"""Quiet hours: how long deliveries that would ring have to wait."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flashnotify.domain import Window
from flashnotify.people.local_time import moment_at


def quiet_until(window: Window, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return the end, in UTC, of the quiet hours that `now` is in; None outside of them."""
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        begin = moment_at(day, window.begin, zone)
        last_day = day if window.begin < window.end else day + timedelta(days=1)
        end = moment_at(last_day, window.end, zone)
        if begin <= now < end:
            return end
    return None
