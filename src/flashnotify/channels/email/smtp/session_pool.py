"""A pool of sessions with one SMTP server, which adapts to the number that the server allows."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from aiosmtplib import SMTPResponse

from flashnotify.channels.email.smtp.error_mapping import TooManyConnections
from flashnotify.channels.email.smtp.session import Session
from flashnotify.channels.email.smtp.stages import Stage
from flashnotify.channels.limiter import ConnectionLimiter
from flashnotify.clock import Clock
from flashnotify.errors import TransportError, Unreachable

# Seconds for the first answer in a kept session: a firewall may have forgotten its connection.
_CHECK = 3.0
# Seconds until a server that refused a connection is asked for more again.
_NARROW = 60.0


class SessionPool:
    """Sends each message in a session of its own, which is then kept for another.

    `limiter` admits the messages; it is narrowed to what the server allows. Sessions that nobody
    used for `max_idle` seconds are ended.
    """

    def __init__(
        self,
        open_session: Callable[[], Awaitable[Session]],
        limiter: ConnectionLimiter,
        max_idle: float,
        clock: Clock,
    ) -> None:
        self._open = open_session
        self._limiter = limiter
        self._width = limiter.total
        self._max_idle = max_idle
        self._clock = clock
        # Each with the time since when it is idle. The last came last, and is used first.
        self._idle: list[tuple[float, Session]] = []
        self._in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._refused_at = clock.monotonic()
        self._expiring: asyncio.Task[None] | None = None

    async def send(self, sender: str, recipient: str, message: bytes) -> SMTPResponse:
        """Send a message in one of the sessions; return the server's answer."""
        session = await self._begin(sender, recipient)
        try:
            return await session.finish(recipient, message)
        except TransportError:
            # The server has answered: the session can go on after a reset.
            if session.usable:
                try:
                    await session.reset()
                except TransportError:
                    # The next message would reach this one's recipient too.
                    session.close()
            raise
        finally:
            self._give_back(session)

    async def close(self) -> None:
        """Quit all idle sessions at the same time: some servers never answer."""
        if self._expiring is not None:
            self._expiring.cancel()
            await asyncio.wait({self._expiring})
        idle, self._idle = self._idle, []
        await asyncio.gather(*(session.quit() for _, session in idle))

    async def _begin(self, sender: str, recipient: str) -> Session:
        self._widen()
        while True:
            kept = self._pop()
            alone = not self._in_use
            self._in_use += 1
            try:
                return await self._begin_in(kept, sender, recipient)
            except TooManyConnections:
                self._in_use -= 1
                if alone and not self._in_use:
                    self._wake_one()
                    raise
            except BaseException as error:
                self._in_use -= 1
                self._wake_one()
                # A session that died while it was kept costs its user nothing.
                if kept is None or not isinstance(error, TransportError):
                    raise
                continue
            self._narrow()
            if self._in_use:
                await self._room()

    async def _begin_in(self, kept: Session | None, sender: str, recipient: str) -> Session:
        """Begin a message in the session `kept`, or in a new one."""
        session = kept or await self._open()
        try:
            within = Stage.sender.timeout if kept is None else _CHECK
            await session.begin(sender, recipient, within=within)
        except BaseException as error:
            session.close()
            if kept is not None and isinstance(error, Unreachable):
                # The others were kept for longer: what ended this one has probably ended them.
                self._discard(len(self._idle))
            raise
        return session

    def _pop(self) -> Session | None:
        """Return the session that has been idle for the shortest time, if any."""
        oldest = self._clock.monotonic() - self._max_idle
        self._discard(sum(since <= oldest for since, _ in self._idle))
        while self._idle:
            _, session = self._idle.pop()
            if session.usable:
                return session
            session.close()
        return None

    def _discard(self, number: int) -> None:
        for _, session in self._idle[:number]:
            session.close()
        del self._idle[:number]

    def _give_back(self, session: Session) -> None:
        self._in_use -= 1
        if session.usable:
            self._idle.append((self._clock.monotonic(), session))
            if self._expiring is None or self._expiring.done():
                self._expiring = asyncio.create_task(self._expire())
        else:
            session.close()
        self._wake_one()

    async def _expire(self) -> None:
        while self._idle:
            left = self._idle[0][0] + self._max_idle - self._clock.monotonic()
            if left > 0.001:
                await self._clock.sleep(left)
            else:
                await self._idle.pop(0)[1].quit()

    def _narrow(self) -> None:
        """Learn from a refused connection that the server allows no more than are in use."""
        self._refused_at = self._clock.monotonic()
        self._limiter.resize(min(self._limiter.total, max(self._in_use, 1)))

    def _widen(self) -> None:
        """Try for more once in a while: a limit may have been lifted."""
        now = self._clock.monotonic()
        if self._limiter.total < self._width and now - self._refused_at >= _NARROW:
            self._refused_at = now
            self._limiter.resize(min(self._width, 2 * self._limiter.total))

    async def _room(self) -> None:
        """Wait until a session is given back or ends."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._wake_one()
            raise

    def _wake_one(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
