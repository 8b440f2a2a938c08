"""Streams of events, in commit order.

The archive numbers events as they are committed. One reader reads them for all followers, a page at
a time, and each follower has a bounded buffer of pages. A follower that reconnects resumes after
the last number it saw.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from flashnotify.archive.ports import Events as EventLog
from flashnotify.archive.records import Event
from flashnotify.clock import Clock
from flashnotify.errors import Unavailable, stack_of

log = structlog.get_logger(__name__)

# Events of one page, and pages kept for a follower that is slow.
_PAGE = 200
_BUFFER = 64
# The limits on streams: in total and per key.
_MAX_FOLLOWERS = 200
_MAX_PER_KEY = 20
# Seconds between heartbeats, so that a proxy keeps a quiet connection open.
HEARTBEAT = 15.0
# Seconds between two pages for each follower: many followers get fewer, longer pages, so that they
# take a share of the event loop that does not grow with their number or with the commits.
_PAUSE = 0.00025
# Followers woken before other tasks get the event loop.
_SLICE = 25
# Seconds until a read that failed is repeated.
_RETRY = 1


class Missed(NamedTuple):
    """Events that a follower missed: no longer kept, or more than its buffer holds."""

    first: int
    last: int


@dataclass(eq=False, slots=True)
class EventPage:
    """Some events in order, shared by all followers, who therefore share its encoding."""

    events: Sequence[Event]
    _encoded: bytes | None = None

    def after(self, seen: int) -> "EventPage":
        """Return the page without the events up to number `seen`."""
        if self.events[0].id > seen:
            return self
        return EventPage([event for event in self.events if event.id > seen])

    def encoded(self, encode: Callable[[Sequence[Event]], bytes]) -> bytes:
        """Return the events as `encode` writes them, which is called once."""
        if self._encoded is None:
            self._encoded = encode(self.events)
        return self._encoded


@dataclass(eq=False, slots=True)
class Subscription:
    """The pages that a follower has yet to take. The oldest make room for new ones.

    Without a `follower`, a request waits for a change.
    """

    follower: str | None
    pages: deque[EventPage] = field(default_factory=lambda: deque(maxlen=_BUFFER))
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Events:
    """The events of the archive, as streams."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._followers: set[Subscription] = set()
        # The reader, and the last event that it has passed on.
        self._reading: asyncio.Task[None] | None = None
        self._reached = 0
        self._starting = asyncio.Lock()
        self._committed = asyncio.Event()
        # The reads of the past under way, by the event that they begin after.
        self._past: dict[int, asyncio.Task[EventPage]] = {}
        self._closed = False
        log.on_commit(self._committed.set)

    @property
    def closed(self) -> bool:
        """Whether the service is stopping."""
        return self._closed

    def close(self) -> None:
        """End every stream: open ones would delay the shutdown."""
        self._closed = True
        self._committed.set()
        for follower in self._followers:
            follower.news.set()

    def require_room(self, follower: str) -> None:
        """Raise `Unavailable` if there are too many streams, or the service is stopping."""
        others = [each.follower for each in self._followers if each.follower is not None]
        if len(others) >= _MAX_FOLLOWERS or others.count(follower) >= _MAX_PER_KEY or self._closed:
            raise Unavailable(
                "There are too many event streams. Connect again later.", retry_after=30
            )

    async def follow(
        self, follower: str, after: int | None, allowed: Callable[[], bool]
    ) -> AsyncIterator[EventPage | Missed | int]:
        """Yield the events from now on, or those after number `after`, while `allowed()`.

        The latest event's number is yielded at the start and as a heartbeat when nothing happens.
        """
        with self.subscribed(follower) as news:
            reached = await self.reached()
            # The reader may be behind others who have seen what is new. A number that is higher
            # dates from before the archive was restored from a backup.
            latest = await self._log.last()
            seen = latest if after is None else min(after, latest)
            yield seen
            while not self._closed and allowed():
                if seen < reached:
                    page = await self._past_after(seen)
                    reached = reached if page.events else seen
                elif news.pages:
                    page = news.pages.popleft()
                else:
                    news.news.clear()
                    if not await self._clock.wait(news.news, HEARTBEAT):
                        yield seen
                    continue
                if not page.events or page.events[-1].id <= seen:
                    continue
                page = page.after(seen)
                if page.events[0].id > seen + 1:
                    # Numbers have no gaps, and the oldest events go first.
                    yield Missed(seen + 1, page.events[0].id - 1)
                seen = page.events[-1].id
                yield page

    @contextmanager
    def subscribed(self, follower: str | None = None) -> Iterator[Subscription]:
        """Give a follower the pages that are read from `reached()` on."""
        subscription = Subscription(follower)
        self._followers.add(subscription)
        try:
            yield subscription
        finally:
            self._followers.discard(subscription)
            self._committed.set()

    async def reached(self) -> int:
        """Return the last event that followers need not wait for any more."""
        async with self._starting:
            if self._reading is None or self._reading.done():
                self._reached = await self._log.last()
                self._reading = asyncio.create_task(self._read())
            return self._reached

    async def _read(self) -> None:
        """Pass each page on to the followers, as long as there are any."""
        while self._followers and not self._closed:
            self._committed.clear()
            try:
                events = await self._log.after(self._reached, _PAGE)
            except Exception as error:  # noqa: BLE001  # a failed read must not end the streams
                log.warning("events.unread", error=type(error).__name__, stack=stack_of(error))
                await self._clock.sleep(_RETRY)
                continue
            if not events:
                await self._committed.wait()
                continue
            self._reached = events[-1].id
            await self._pass_on(EventPage(events))

    async def _pass_on(self, page: EventPage) -> None:
        followers = list(self._followers)
        for follower in followers:
            follower.pages.append(page)
        for start in range(0, len(followers), _SLICE):
            for follower in followers[start : start + _SLICE]:
                follower.news.set()
            await asyncio.sleep(0)
        if not self._closed:
            await self._clock.sleep(_PAUSE * len(followers))

    async def _past_after(self, seen: int) -> EventPage:
        """Return events after `seen`, from one read for all followers that have come so far."""
        reading = self._past.get(seen)
        if reading is None:
            reading = self._past[seen] = asyncio.create_task(self._read_past(seen))
            reading.add_done_callback(lambda _: self._past.pop(seen))
        return await asyncio.shield(reading)

    async def _read_past(self, seen: int) -> EventPage:
        return EventPage(await self._log.after(seen, _PAGE))
