"""Long polling: requests that wait for a change, woken by events."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from flashnotify.clock import Clock
from flashnotify.errors import Unavailable
from flashnotify.telemetry.events import Events, Subscription

T = TypeVar("T")

# Seconds that a request may wait.
MAX_WAIT = 60
# Requests that wait at once: in total and per key.
_MAX_WAITING = 200
_MAX_PER_KEY = 20


class LongPolling:
    """Lets requests wait until the archive holds what they ask for."""

    def __init__(self, events: Events, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._waiting: Counter[str] = Counter()

    async def until(
        self,
        caller: str,
        seconds: float,
        notification_id: UUID | None,
        look: Callable[[], Awaitable[T]],
        enough: Callable[[T], bool],
    ) -> T:
        """Return what `look` finds, once it is `enough` or `seconds` have passed.

        It looks again at each change of a notification, or of any. The end of the service ends the
        wait. Raise `Unavailable` if too many requests wait.
        """
        found = await look()
        if not seconds or enough(found):
            return found
        end = self._clock.monotonic() + seconds
        with self._room(caller), self._events.subscribed() as news:
            # From here on no change goes unseen.
            await self._events.reached()
            found = await look()
            while not enough(found) and await self._changed(news, notification_id, end):
                found = await look()
        return found

    @contextmanager
    def _room(self, caller: str) -> Iterator[None]:
        if self._waiting.total() >= _MAX_WAITING or self._waiting[caller] >= _MAX_PER_KEY:
            raise Unavailable("Too many requests wait. Ask without `wait`.", retry_after=5)
        self._waiting[caller] += 1
        try:
            yield
        finally:
            self._waiting[caller] -= 1
            self._waiting += Counter()  # forget callers that no longer wait

    async def _changed(self, news: Subscription, id: UUID | None, end: float) -> bool:
        """Wait for a change of a notification, or any; return false at the end of the wait."""
        while not self._events.closed:
            while news.pages:
                page = news.pages.popleft()
                if id is None or any(event.notification_id == id for event in page.events):
                    news.pages.clear()
                    return True
            news.news.clear()
            left = end - self._clock.monotonic()
            if left <= 0 or not await self._clock.wait(news.news, left):
                return False
        return False
