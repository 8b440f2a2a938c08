"""What happened, numbered in commit order, for whoever follows along.

The archive numbers events as they are committed; here those who wait for more are woken. A
follower that was away goes on after the last number it saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from flashnotify.archive.reader import Reader
from flashnotify.archive.writer import Writer
from flashnotify.clock import Clock
from flashnotify.errors import Unavailable

# Events read at once, and followers at the most.
_PAGE = 200
_FOLLOWERS = 200
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
        self._followers: set[asyncio.Event] = set()
        self._closed = False
        writer.when_committed(self._wake)

    def close(self) -> None:
        """End every stream: they would hold up the service's end."""
        self._closed = True
        self._wake()

    def require_room(self) -> None:
        """Check that one more may follow.

        Raises:
            Unavailable: too many do already, or the service is stopping.
        """
        if len(self._followers) >= _FOLLOWERS or self._closed:
            raise Unavailable("Too many follow the events at the moment.", retry_after=30)

    async def follow(self, after: int | None) -> AsyncIterator[Row[Any] | Missed | int]:
        """What happens from now on, or has since event `after`.

        A number is a sign of life, first of all and while it is quiet: that of the latest event.
        """
        news = asyncio.Event()
        self._followers.add(news)
        try:
            seen = await self._reader.last_event()
            if after is not None:
                # A number not given yet is one of an archive before it was restored.
                seen = min(after, seen)
            yield seen
            while not self._closed:
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
            self._followers.discard(news)

    def _wake(self) -> None:
        for news in self._followers:
            news.set()
