"""The limit on concurrent use of a transport."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ConnectionLimiter:
    """Limits concurrent use to `total` connections, a quarter of them reserved for urgent use."""

    def __init__(self, total: int) -> None:
        self.total = total
        # With more than one, both urgent and other deliveries have at least one.
        self.reserved = max(1, total // 4) if total > 1 else 0
        self._used = 0
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}

    def capacity(self, *, urgent: bool) -> int:
        """Return how many connections deliveries of this urgency may use at the same time."""
        return self.total if urgent else self.total - self.reserved

    @asynccontextmanager
    async def use(self, *, urgent: bool) -> AsyncIterator[None]:
        """Hold one connection. Urgent deliveries go first."""
        if self._used < self.capacity(urgent=urgent) and not self._waiting[urgent]:
            self._used += 1
        else:
            turn = asyncio.get_running_loop().create_future()
            self._waiting[urgent].append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._release()
                raise
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        self._used -= 1
        for urgent in (True, False):
            waiting = self._waiting[urgent]
            while waiting and self._used < self.capacity(urgent=urgent):
                turn = waiting.popleft()
                if not turn.done():
                    self._used += 1
                    turn.set_result(None)
