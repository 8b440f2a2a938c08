"""What happened, numbered in commit order, for whoever follows along.

The archive numbers events as they are committed; here those who wait for more are woken. A
follower that was away goes on after the last number it saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from flashnotify.archive.reads.reader import Reader
from flashnotify.archive.writer import Writer
from flashnotify.clock import Clock
from flashnotify.errors import Unavailable

# Events read at once, and streams at the most: of all, and of one key.
_PAGE = 200
_FOLLOWERS = 200
_OF_ONE = 20
# Seconds between signs of life, so that a proxy keeps a quiet connection open.
HEARTBEAT = 15.0


@dataclass(frozen=True, slots=True)
class Missed:
    """Events that a follower was away for too long to be told of: they are no longer kept."""

    first: int
    last: int


class Events:
    """The events of the archive, as streams."""

    def __init__(self, reader: Reader, writer: Writer, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        # What wakes each follower, and who it is.
        self._followers: dict[asyncio.Event, str] = {}
        self._closed = False
        writer.when_committed(self._wake)

    def close(self) -> None:
        """End every stream: they would hold up the service's end."""
        self._closed = True
        self._wake()

    def require_room(self, follower: str) -> None:
        """Check that one more may follow, for this follower.

        Raises:
            Unavailable: too many do already, or the service is stopping.
        """
        others = list(self._followers.values())
        if len(others) >= _FOLLOWERS or others.count(follower) >= _OF_ONE or self._closed:
            raise Unavailable("Too many follow the events at the moment.", retry_after=30)

    async def follow(
        self, follower: str, after: int | None, allowed: Callable[[], bool]
    ) -> AsyncIterator[Row[Any] | Missed | int]:
        """What happens from now on, or has since event `after`, for as long as it is `allowed`.

        A number is a sign of life, first of all and while it is quiet: that of the latest event.
        """
        news = asyncio.Event()
        self._followers[news] = follower
        try:
            seen = await self._reader.last_event()
            if after is not None:
                # A number not given yet is one of an archive before it was restored.
                seen = min(after, seen)
            yield seen
            while not self._closed and allowed():
                news.clear()
                page = await self._reader.events(seen, _PAGE)
                if page and page[0].id > seen + 1:
                    # They are numbered without gaps, and forgotten from the first one on.
                    yield Missed(seen + 1, page[0].id - 1)
                for event in page:
                    seen = event.id
                    yield event
                if not page and not await self._clock.wait(news, HEARTBEAT):
                    yield seen
        finally:
            del self._followers[news]

    def _wake(self) -> None:
        for news in self._followers:
            news.set()
