"""The only writer, with group commit.

A write is a value: statements and their rows. The writer takes the writes that arrived during the
last commit, runs equal statements as one executemany, and commits once, with one fsync.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sqlalchemy import text

from flashnotify.archive.sql.changes import Change, Stage, Statement
from flashnotify.archive.write_lanes import WaitingWrites, Write, WriteLane
from flashnotify.clock import Clock
from flashnotify.errors import SyncFailed, Unavailable, WriteRefused

# Changes nothing, but is written and fsynced as any change is.
_PROBE = Statement(text("PRAGMA user_version = 0"), Stage.changes)
# Rows that may wait before bulk work pauses: what the next two commits take.
_ROOM = 500
# Seconds for which the result of a commit says whether the next one will succeed.
_FRESH = 1.0


class Transactions(Protocol):
    """Runs transactions on the only connection that writes.

    They raise `WriteRefused` if a value cannot be written, `RuntimeError` if a statement is wrong,
    and `Unavailable` if nothing can be written now.
    """

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Hold the connection open."""

    async def together(self, groups: Sequence[Sequence[Change]]) -> None:
        """Commit groups of changes in order, those of one group grouped by statement."""

    async def one_by_one(
        self, writes: Sequence[Sequence[Change]]
    ) -> Mapping[int, WriteRefused | RuntimeError]:
        """Commit the writes that are good, and return the errors of the others by index."""

    async def truncate_log(self) -> bool:
        """Move the log into the database and empty its file; return whether that was possible."""


class Writer:
    """Writes to the archive, many writes to a commit.

    It is overloaded while more than `max_backlog` rows wait, or a commit takes longer than
    `max_lag` seconds. Long answers have a backlog of their own: when that is full, only they are
    refused.
    """

    def __init__(
        self,
        transactions: Transactions,
        clock: Clock,
        *,
        max_backlog: int = 20_000,
        max_lag: float = 5.0,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._max_backlog = max_backlog
        self._max_lag = max_lag
        self._waiting = WaitingWrites()
        self._arrived = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._commit_began: float | None = None
        # When the last commit ended, and its error.
        self._last: tuple[float, Unavailable | None] | None = None
        self._probe: asyncio.Future[None] | None = None
        self._closing = False
        self._ended = False
        self._on_commit: list[Callable[[], None]] = []

    @property
    def overloaded(self) -> bool:
        """Whether the disk does not keep up, so that new work should be refused for now."""
        began = self._commit_began
        stuck = began is not None and self._clock.monotonic() - began > self._max_lag
        return stuck or self._waiting.rows > self._max_backlog

    def when_committed(self, call: Callable[[], None]) -> None:
        """Call `call` after each commit."""
        self._on_commit.append(call)

    def submit(
        self,
        changes: Sequence[Change],
        lane: WriteLane = WriteLane.answer,
        *,
        barrier: bool = False,
    ) -> asyncio.Future[None]:
        """Hand over a write; the future is done once it is committed and fsynced.

        All changes of one write are committed together or not at all. A `barrier` takes effect
        after the writes of its lane that came before it and before those that come after it; other
        writes of one commit are grouped by statement. The future fails with `WriteRefused` if the
        data cannot be written, with `Unavailable` if nothing can be written now, and with
        `RuntimeError` if a statement is wrong.
        """
        write = Write(changes, asyncio.get_running_loop().create_future(), barrier)
        if self._ended or self._closing:
            write.settle(Unavailable("The archive is closed."))
            return write.done
        if lane is WriteLane.long_answer and self._waiting.long_answers > self._max_backlog:
            write.settle(_overloaded())
            return write.done
        self._waiting.put(write, lane)
        self._arrived.set()
        if self._waiting.rows > _ROOM:
            self._has_room.clear()
        return write.done

    async def write(self, *changes: Change, lane: WriteLane = WriteLane.answer) -> None:
        """Write `changes` together, and return once they are on disk.

        Raises:
            WriteRefused: the data cannot be written.
            Unavailable: nothing can be written now (disk full, shutting down).
        """
        await self.submit(changes, lane)

    async def room(self) -> None:
        """Wait until few rows wait.

        Bulk work that ran ahead would keep the thread that writes from the interpreter, and what is
        urgent would wait for it.
        """
        await self._has_room.wait()

    async def check(self) -> None:
        """Raise `Unavailable` if nothing can be written now.

        The last commit tells; without a recent one, something is written to see. Callers share it.
        """
        if self.overloaded:
            raise _overloaded()
        if self._last is not None and not self._ended:
            ended, error = self._last
            if self._clock.monotonic() - ended <= (_FRESH if error is None else error.retry_after):
                if error is not None:
                    raise Unavailable(str(error), retry_after=error.retry_after)
                return
        if self._probe is None or self._probe.done():
            self._probe = self.submit([(_PROBE, {})])
        await asyncio.shield(self._probe)

    async def truncate_log(self) -> bool:
        """Move the log into the database and empty its file, between two commits.

        Return whether that was possible: somebody may be reading it.
        """
        return await self._transactions.truncate_log()

    def close(self) -> None:
        """Let `run` end once all writes handed over are done."""
        self._closing = True
        self._arrived.set()

    async def run(self) -> None:
        """Write until `close`. When it ends for any reason, all waiting writes fail."""
        try:
            async with self._transactions.opened():
                while True:
                    await self._arrived.wait()
                    self._arrived.clear()
                    while taken := self._waiting.take():
                        await self._commit(taken)
                    if self._closing:
                        return
        finally:
            self._ended = True
            self._has_room.set()
            while taken := self._waiting.take():
                for write in taken:
                    write.settle(Unavailable("The archive's writer has ended."))

    async def _commit(self, writes: list[Write]) -> None:
        self._commit_began = self._clock.monotonic()
        ending: Unavailable | None = Unavailable("The archive's writer has ended.")
        try:
            await self._settled(writes)
            ending = None
        except SyncFailed as error:
            ending = error
            raise
        except Unavailable as error:
            ending = error
        finally:
            self._commit_began = None
            self._last = self._clock.monotonic(), ending
            for write in writes:
                write.settle(ending)
            if self._waiting.rows <= _ROOM:
                self._has_room.set()
        for call in self._on_commit:
            call()

    async def _settled(self, writes: list[Write]) -> None:
        try:
            await self._transactions.together(list(_between_barriers(writes)))
        except (WriteRefused, RuntimeError):
            refusals = await self._transactions.one_by_one([write.changes for write in writes])
            for index, error in refusals.items():
                writes[index].settle(error)


def _overloaded() -> Unavailable:
    return Unavailable("The archive cannot keep up. Send it again later.", code="overloaded")


def _between_barriers(writes: Iterable[Write]) -> Iterator[Sequence[Change]]:
    """Yield the changes that may be grouped: between two barriers, and each barrier alone."""
    group: list[Change] = []
    for write in writes:
        if write.barrier:
            yield group
            yield write.changes
            group = []
        else:
            group += write.changes
    yield group
