"""Streams of events, in commit order.

The archive numbers events as they are committed; each commit wakes the followers. A follower that
reconnects resumes after the last number it saw.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from flashnotify.archive.ports import Events as EventLog
from flashnotify.archive.records import Event
from flashnotify.clock import Clock
from flashnotify.errors import Unavailable

# Events read at once, and the limits on streams: in total and per key.
_PAGE = 200
_MAX_FOLLOWERS = 200
_MAX_PER_KEY = 20
# Seconds between heartbeats, so that a proxy keeps a quiet connection open.
HEARTBEAT = 15.0


class Missed(NamedTuple):
    """Events that a follower missed, because they are no longer kept."""

    first: int
    last: int


class Events:
    """The events of the archive, as streams."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        # The principal behind each follower, by the event that wakes it.
        self._followers: dict[asyncio.Event, str] = {}
        # The reads under way that show all commits so far, by the event that they begin after.
        self._reads: dict[int, asyncio.Task[Sequence[Event]]] = {}
        self._closed = False
        log.on_commit(self._wake)

    def close(self) -> None:
        """End every stream: open ones would delay the shutdown."""
        self._closed = True
        self._wake()

    def require_room(self, follower: str) -> None:
        """Raise `Unavailable` if there are too many streams, or the service is stopping."""
        others = list(self._followers.values())
        if len(others) >= _MAX_FOLLOWERS or others.count(follower) >= _MAX_PER_KEY or self._closed:
            raise Unavailable(
                "There are too many event streams. Connect again later.", retry_after=30
            )

    async def follow(
        self, follower: str, after: int | None, allowed: Callable[[], bool]
    ) -> AsyncIterator[Event | Missed | int]:
        """Yield the events from now on, or those after number `after`, while `allowed()`.

        The latest event's number is yielded at the start and as a heartbeat when nothing happens.
        """
        news = asyncio.Event()
        self._followers[news] = follower
        try:
            seen = await self._log.last()
            if after is not None:
                # A higher number dates from before the archive was restored from a backup.
                seen = min(after, seen)
            yield seen
            while not self._closed and allowed():
                news.clear()
                page = await self._after(seen)
                if page and page[0].id > seen + 1:
                    # Numbers have no gaps, and the oldest events are purged first.
                    yield Missed(seen + 1, page[0].id - 1)
                for event in page:
                    seen = event.id
                    yield event
                if not page and not await self._clock.wait(news, HEARTBEAT):
                    yield seen
        finally:
            del self._followers[news]

    async def _after(self, seen: int) -> Sequence[Event]:
        """Return the events after `seen`, from one read for all followers that have come so far."""
        reading = self._reads.get(seen)
        if reading is None or reading.done():
            reading = asyncio.ensure_future(self._log.after(seen, _PAGE))
            self._reads[seen] = reading
        return await asyncio.shield(reading)

    def _wake(self) -> None:
        # A read that began before this commit may not show it.
        self._reads.clear()
        for news in self._followers:
            news.set()
