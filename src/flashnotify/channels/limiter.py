"""The limit on concurrent use of a transport."""

import asyncio
from collections import deque
from contextlib import AbstractAsyncContextManager


class ConnectionLimiter:
    """Limits concurrent use to `total` connections, a quarter of them reserved for urgent use."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._used = 0
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}

    @property
    def reserved(self) -> int:
        """The connections for urgent use only."""
        # With more than one, both urgent and other deliveries have at least one.
        return max(1, self.total // 4) if self.total > 1 else 0

    def resize(self, total: int) -> None:
        """Allow `total` connections from now on; those in use stay in use."""
        self.total = total
        self._admit()

    def capacity(self, *, urgent: bool) -> int:
        """Return how many connections deliveries of this urgency may use at the same time."""
        return self.total if urgent else self.total - self.reserved

    def use(self, *, urgent: bool) -> AbstractAsyncContextManager[None]:
        """Hold one connection. Urgent deliveries go first."""
        return _Use(self, urgent)

    async def acquire(self, *, urgent: bool) -> None:
        """Take one connection, to be released."""
        if self._used < self.capacity(urgent=urgent) and not self._waiting[urgent]:
            self._used += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[urgent].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Give a connection back."""
        self._used -= 1
        self._admit()

    def _admit(self) -> None:
        for urgent in (True, False):
            waiting = self._waiting[urgent]
            while waiting and self._used < self.capacity(urgent=urgent):
                turn = waiting.popleft()
                if not turn.done():
                    self._used += 1
                    turn.set_result(None)


class _Use(AbstractAsyncContextManager[None]):
    """Holds a connection. A generator would cost three times as much for each message."""

    __slots__ = ("_limiter", "_urgent")

    def __init__(self, limiter: ConnectionLimiter, urgent: bool) -> None:
        self._limiter = limiter
        self._urgent = urgent

    async def __aenter__(self) -> None:
        await self._limiter.acquire(urgent=self._urgent)

    async def __aexit__(self, *_: object) -> None:
        self._limiter.release()
