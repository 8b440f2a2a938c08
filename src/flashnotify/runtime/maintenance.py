"""Purges what has been kept long enough, in slices that never hold the writer for long."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from functools import partial

import structlog

from flashnotify.archive.ports import Maintenance as Purges
from flashnotify.archive.windows import coarser
from flashnotify.clock import Clock
from flashnotify.domain import IDEMPOTENCY_LIFETIME
from flashnotify.errors import stack_of
from flashnotify.identity.sessions import SESSION_IDLE, SESSION_LIFETIME
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import DEFAULT_RETENTION, NotifierSpec

log = structlog.get_logger(__name__)

# Times are in milliseconds.
_HOUR = 3_600_000
_DAY = 24 * _HOUR
_KEEP_TOTALS = 400 * _DAY
# The longest window starts with a whole day.
_KEEP_LATENCIES = 31 * _DAY
KEEP_EVENTS = 100_000
# Rows that one slice removes, about.
SLICE = 500
# Seconds between two rounds; a purge that failed is tried again in the next one.
_PAUSE = 60.0


class Maintenance:
    """Runs the purges. Notifications are kept for `retention` once over, or as their kind says.

    Nothing is purged while somebody else holds `purging`.
    """

    def __init__(
        self,
        kinds: Registry[NotifierSpec],
        purges: Purges,
        clock: Clock,
        retention: timedelta = DEFAULT_RETENTION,
    ) -> None:
        self._retention = retention
        self._kinds = kinds
        self._purges = purges
        self._clock = clock
        self.purging = asyncio.Lock()

    async def run(self) -> None:
        """Purge for ever."""
        while True:
            await self.purge()
            await self._clock.sleep(_PAUSE)

    async def purge(self) -> None:
        """Purge everything old, in slices. A failed purge is logged and stops no other.

        While the clock is in doubt, nobody knows what is old.
        """
        if self._clock.in_doubt():
            return
        for purge_slice in self._slices():
            try:
                more = True
                while more:
                    async with self.purging:
                        more = await purge_slice()
            except Exception as error:  # noqa: BLE001  # no refused purge may end the service
                log.warning("maintenance.failed", error=type(error).__name__, stack=stack_of(error))

    def _slices(self) -> Iterator[Callable[[], Awaitable[bool]]]:
        """Yield functions that purge a slice and return whether there may be more."""
        now, purges = self._clock.now(), self._purges
        yield partial(purges.purge_idempotency_keys, now - IDEMPOTENCY_LIFETIME, SLICE)
        yield partial(purges.purge_token_families, now, SLICE)
        yield partial(purges.purge_phone_confirmations, now - _HOUR, SLICE)
        yield partial(purges.purge_events, KEEP_EVENTS, SLICE)
        yield partial(purges.purge_totals, now - _KEEP_TOTALS, _DAY)
        yield partial(purges.purge_latencies, now - _KEEP_LATENCIES, _HOUR)
        for before, span in coarser(now):
            yield partial(purges.coarsen_totals, before, span)
            yield partial(purges.coarsen_latencies, before, span)
        yield partial(purges.purge_sessions, now - SESSION_LIFETIME, now - SESSION_IDLE, SLICE)
        known = list(self._kinds)
        for kind in self._kinds.values():
            own = kind.retention != DEFAULT_RETENTION
            before = now - _milliseconds(kind.retention if own else self._retention)
            yield partial(purges.purge_notifications, kind.kind, known, before, SLICE)
        # Of kinds that are no longer declared: kept for the default time.
        before = now - _milliseconds(self._retention)
        yield partial(purges.purge_notifications, None, known, before, SLICE)


def _milliseconds(time: timedelta) -> int:
    return round(time.total_seconds() * 1000)
