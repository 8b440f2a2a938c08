"""How many recipients a key may reach in a day of the campus; what it did survives a restart."""

import math
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo

from flashnotify.archive.api_key_records import DailyRecipients
from flashnotify.archive.ports import ApiKeys
from flashnotify.bounded_cache import BoundedCache
from flashnotify.clock import Clock
from flashnotify.errors import RateLimited
from flashnotify.identity.principal import Principal

_CACHED = 10_000


@dataclass(eq=False, slots=True)
class RecipientLimits:
    """Counts the recipients of keys that may only reach so many a day. `zone` is the campus's.

    They are stored with the notification, so that neither is without the other; here they count
    from when they are taken.
    """

    stored: ApiKeys
    clock: Clock
    zone: tzinfo
    _reached: BoundedCache[tuple[str, str], int] = field(
        default_factory=lambda: BoundedCache(_CACHED), init=False
    )

    async def take(self, caller: Principal, recipients: int) -> DailyRecipients | None:
        """Count recipients of a notification, to be stored with it. None without a limit.

        Raise `RateLimited`, with the end of the day, if they are too many.
        """
        limit = caller.recipients_per_day
        if limit is None:
            return None
        now = datetime.fromtimestamp(self.clock.now() / 1000, self.zone)
        place = (caller.id, now.date().isoformat())
        if place not in self._reached:
            key = await self.stored.find(caller.id)
            before = key.recipients_reached if key and key.recipients_day == place[1] else 0
            # Another request may have been first.
            self._reached.setdefault(place, before)
        if self._reached[place] + recipients > limit:
            raise _exceeded(limit, limit - self._reached[place], now)
        self._reached[place] += recipients
        return DailyRecipients(*place, recipients)

    def give_back(self, taken: DailyRecipients | None) -> None:
        """Forget what was taken for a notification that was not stored."""
        if taken is not None and (taken.key_id, taken.day) in self._reached:
            self._reached[taken.key_id, taken.day] -= taken.recipients


def _exceeded(limit: int, left: int, now: datetime) -> RateLimited:
    tomorrow = datetime.combine(now.date() + timedelta(days=1), time.min, now.tzinfo)
    return RateLimited(
        f"This key may reach {limit} recipients a day, and has {left} left. Retry after "
        f"{tomorrow.isoformat()}, or use a key that may reach more.",
        retry_after=math.ceil(tomorrow.timestamp() - now.timestamp()),
        code="recipients_exceeded",
    )
