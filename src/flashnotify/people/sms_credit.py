"""How many SMS segments a cost centre may use; what it did survives a restart."""

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import NamedTuple
from uuid import UUID

import structlog

from flashnotify.archive.cost_centre_port import CostCentres
from flashnotify.archive.cost_centre_records import CostCentre, Period, SmsUsage
from flashnotify.bounded_cache import BoundedCache
from flashnotify.clock import Clock
from flashnotify.errors import NotPermitted

log = structlog.get_logger(__name__)

_CACHED = 10_000


class Charge(NamedTuple):
    """What a notification uses, to be stored with it; `over` says which limit it goes over."""

    usage: SmsUsage
    over: NotPermitted | None = None


@dataclass(eq=False, slots=True)
class SmsCredit:
    """Counts the SMS segments of cost centres. `zone` is the campus's.

    They are stored with the notification, so that neither is without the other; here they count
    from when they are taken.
    """

    stored: CostCentres
    clock: Clock
    zone: tzinfo
    # By cost centre and month; the month is empty for all months together.
    _used: BoundedCache[tuple[UUID, str], int] = field(
        default_factory=lambda: BoundedCache(_CACHED), init=False
    )

    async def used(self, centre: CostCentre) -> int:
        """Return the segments that a cost centre used in this period of its credit."""
        month = self._month()
        await self._load(centre.id, month)
        return self._used[centre.id, month if centre.period is Period.month else ""]

    async def take(
        self, centre: CostCentre, kind: str, segments: int, messages: int, *, critical: bool
    ) -> Charge:
        """Count what a notification uses, to be stored with it.

        Raise `NotPermitted` if that is too much, unless it is `critical`.
        """
        month = self._month()
        await self._load(centre.id, month)
        used = self._used[centre.id, month if centre.period is Period.month else ""]
        over = _over(centre, segments, used)
        if over is not None:
            if not critical:
                raise over
            limits = {"segments": segments, "used": used, "credit": centre.credit}
            meaning = "critical notifications are sent all the same"
            log.warning("sms.over_credit", cost_centre=centre.slug, meaning=meaning, **limits)
        self._add(centre.id, month, segments)
        return Charge(SmsUsage(centre.id, month, kind, segments, messages), over)

    def give_back(self, charge: Charge) -> None:
        """Forget what was taken for a notification that was not stored."""
        usage = charge.usage
        self._add(usage.cost_centre_id, usage.month, -usage.segments)

    async def _load(self, id: UUID, month: str) -> None:
        places = ((id, month), (id, ""))
        if all(place in self._used for place in places):
            return
        for place, before in zip(places, await self.stored.used(id, month), strict=True):
            # Another request may have been first.
            self._used.setdefault(place, before)

    def _add(self, id: UUID, month: str, segments: int) -> None:
        for place in ((id, month), (id, "")):
            if place in self._used:
                self._used[place] += segments

    def _month(self) -> str:
        return datetime.fromtimestamp(self.clock.now() / 1000, self.zone).strftime("%Y-%m")


def _over(centre: CostCentre, segments: int, used: int) -> NotPermitted | None:
    """Return the limit that a notification goes over, as an error."""
    most, name = centre.per_notification, f"the cost centre {centre.slug!r}"
    if most is not None and segments > most:
        return NotPermitted(
            f"This notification needs {segments} SMS segments, and {name} allows {most} for one. "
            "Shorten the text, or send to fewer people by SMS.",
            code="too_many_segments",
        )
    if centre.credit is None or used + segments <= centre.credit:
        return None
    left = max(centre.credit - used, 0)
    until = " this month" if centre.period is Period.month else ""
    return NotPermitted(
        f"This notification needs {segments} SMS segments, and {name} has {left} left{until}. "
        "Send to fewer people by SMS, or ask an admin for more credit.",
        code="credit_exhausted",
    )
