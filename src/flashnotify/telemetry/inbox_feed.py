"""Streams of what arrives in people's inboxes, for open pages.

One reader looks after each commit whose messages are new, and wakes only their streams. A stream
reads its person's messages itself, so that one that reconnects resumes after the last it saw.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

import structlog

from flashnotify.archive.inbox_ports import Inbox
from flashnotify.archive.people_records import InboxMessage
from flashnotify.clock import Clock
from flashnotify.errors import Unavailable, stack_of
from flashnotify.telemetry.events import HEARTBEAT

log = structlog.get_logger(__name__)

# The limits on streams: in total and per person.
_MAX_STREAMS = 1000
_MAX_PER_PERSON = 10
# Messages read at once: of a person, and of all, which are numbers only.
_PAGE, _LOOKED_AT = 200, 1000
# Seconds between two looks, and until a read that failed is repeated.
_PAUSE = 0.05
_RETRY = 1.0


class News(NamedTuple):
    """What is new in an inbox: messages by their numbers, up to `seen`, and how many are unread."""

    seen: int
    unread: int
    messages: Sequence[tuple[int, InboxMessage]] = ()


class InboxFeed:
    """The streams of inboxes."""

    def __init__(self, inbox: Inbox, clock: Clock) -> None:
        self._inbox = inbox
        self._clock = clock
        self._streams: dict[UUID, list[asyncio.Event]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._committed = asyncio.Event()
        self._closed = False
        inbox.on_commit(self._committed.set)

    def close(self) -> None:
        """End every stream: open ones would delay the shutdown."""
        self._closed = True
        self._committed.set()
        for user_id in self._streams:
            self.wake(user_id)

    def wake(self, user_id: UUID) -> None:
        """Let the streams of a person look again."""
        for stream in self._streams.get(user_id, ()):
            stream.set()

    def require_room(self, user_id: UUID) -> None:
        """Raise `Unavailable` if there are too many streams, or the service is stopping."""
        own, number = len(self._streams.get(user_id, ())), sum(map(len, self._streams.values()))
        if own >= _MAX_PER_PERSON or number >= _MAX_STREAMS or self._closed:
            raise Unavailable("There are too many open inboxes. Try again later.", retry_after=30)

    async def follow(
        self, user_id: UUID, after: int | None, allowed: Callable[[], bool]
    ) -> AsyncIterator[News]:
        """Yield what is new in an inbox from now on, or after number `after`, while `allowed()`.

        The unread count is yielded at the start, after each change, and as a heartbeat.
        """
        with self._stream(user_id) as stream:
            latest = await self._inbox.last()
            # A number that is higher dates from before the archive was restored from a backup.
            seen = latest if after is None else min(after, latest)
            shown, heartbeat = -1, False
            while not self._closed and allowed():
                stream.clear()
                messages = await self._inbox.arrived(user_id, seen, _PAGE)
                seen = messages[-1][0] if messages else seen
                unread = await self._inbox.unread(user_id)
                if messages or unread != shown or heartbeat:
                    yield News(seen, unread, messages)
                shown, heartbeat = unread, False
                if len(messages) < _PAGE:
                    heartbeat = not await self._clock.wait(stream, HEARTBEAT)

    @contextmanager
    def _stream(self, user_id: UUID) -> Iterator[asyncio.Event]:
        stream = asyncio.Event()
        self._streams.setdefault(user_id, []).append(stream)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        try:
            yield stream
        finally:
            self._streams[user_id].remove(stream)
            if not self._streams[user_id]:
                del self._streams[user_id]
            self._committed.set()

    async def _read(self) -> None:
        """Wake the streams of those who got messages, as long as there are streams."""
        reached: int | None = None
        while self._streams and not self._closed:
            self._committed.clear()
            try:
                if reached is None:
                    reached = await self._inbox.last()
                    # What came before was not seen here.
                    woken = list(self._streams)
                else:
                    found = await self._inbox.recipients(reached, _LOOKED_AT)
                    reached = found[-1][0] if found else reached
                    woken = [user_id for _, user_id in found]
            except Exception as error:  # noqa: BLE001  # a failed read must not end the streams
                log.warning("inbox.unread", error=type(error).__name__, stack=stack_of(error))
                await self._clock.sleep(_RETRY)
                continue
            for user_id in woken:
                self.wake(user_id)
            await (self._clock.sleep(_PAUSE) if woken else self._committed.wait())
