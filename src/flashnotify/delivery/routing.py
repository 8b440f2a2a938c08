"""recipient × kind × request → channels, and when: who gets a notification on which channel."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flashnotify.domain import Address, Priority, Window, milliseconds, moment
from flashnotify.meta.specs import ChannelSpec, NotifierSpec

QUIET = "waits for the end of quiet hours"


@dataclass(frozen=True, slots=True)
class Route:
    """One delivery to be: an address on a channel, or the reason why there is none.

    It must wait until `not_before`, in milliseconds since the epoch, if that is set.
    """

    channel: str
    address: Address
    skipped: str | None = None
    not_before: int | None = None


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a notification's times depend on. Times are milliseconds since the epoch."""

    priority: Priority
    expires_at: int | None
    now: int


class Routing:
    """Routes notifications on a campus whose clocks show the time of `zone`."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def routes(
        self,
        kind: NotifierSpec,
        recipients: Sequence[Address],
        channels: Collection[str] | None,
        occasion: Occasion,
    ) -> Iterator[Route]:
        """The channels of the kind ∩ those of the request, for each address that they reach."""
        times = {
            name: self.not_before(kind, channel, occasion)
            for name, channel in kind.channels.items()
        }
        for recipient in recipients:
            for name, channel in kind.channels.items():
                if channel.scheme != recipient.scheme:
                    continue
                if channels is not None and name not in channels:
                    yield Route(name, recipient, "not among the request's channels")
                else:
                    yield Route(name, recipient, not_before=times[name])

    def not_before(
        self, kind: NotifierSpec, channel: ChannelSpec, occasion: Occasion
    ) -> int | None:
        """Until when a delivery that would ring now has to wait, if it has to.

        One that expires before the quiet hours end waits until then, to end as expired.
        """
        if kind.quiet_hours is None or not channel.rings:
            return None
        if occasion.priority >= Priority.critical:
            return None
        end = quiet_until(kind.quiet_hours, self._zone, moment(occasion.now))
        if end is None:
            return None
        times = (milliseconds(end), occasion.expires_at)
        return min(at for at in times if at is not None)


def quiet_until(window: Window, zone: ZoneInfo, now: datetime) -> datetime | None:
    """When the quiet hours that `now` is in are over, in UTC; None outside of them."""
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        begin = _on(day, window.begin, zone)
        last_day = day if window.begin < window.end else day + timedelta(days=1)
        end = _on(last_day, window.end, zone)
        if begin <= now < end:
            return end
    return None


def _on(day: date, at: time, zone: ZoneInfo) -> datetime:
    """When the clocks of `zone` show a time of day, in UTC: the same zone would compare as shown.

    What they show twice is meant the first time; what they skip counts with the offset from before
    (RFC 5545, section 3.3.5). Python's `fold=0` does both.
    """
    return datetime.combine(day, at, zone).astimezone(UTC)
