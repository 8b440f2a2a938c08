"""The one connection that writes, with group commit.

A write is a value: statements and their rows. The writer takes all that has come in during the
last commit, runs equal statements as one executemany, and commits once, which is one fsync.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from flashnotify.archive.writes.changes import Change, Row, Statement
from flashnotify.clock import Clock
from flashnotify.errors import Unavailable, WriteRefused

log = structlog.get_logger(__name__)

# Rows bound and sent in one go: few enough that the event loop is not held for 10 ms.
_SLICE = 250
# Rows of one transaction, so that an urgent write never waits long for its turn.
_TRANSACTION = 4000
# What SQLAlchemy and the driver raise. The last three: values that no column can hold.
_REFUSALS = (SQLAlchemyError, OverflowError, ValueError, TypeError)
# What the driver raises about the values it was given. All else is about the archive itself.
_DATA_ERRORS = (IntegrityError, DataError, InterfaceError, ProgrammingError)


@dataclass(slots=True)
class _Write:
    changes: Sequence[Change]
    done: asyncio.Future[None]


class Writer:
    """Writes to the archive, in commits that hold many writes each.

    `max_backlog` is the number of rows waiting beyond which `overloaded` says so;
    `max_lag`, in seconds, how long a commit may take before it does.
    """

    def __init__(
        self, engine: AsyncEngine, clock: Clock, *, max_backlog: int = 20_000, max_lag: float = 5.0
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._max_backlog = max_backlog
        self._max_lag = max_lag
        self._waiting: deque[_Write] = deque()
        self._rows = 0
        self._arrived = asyncio.Event()
        self._commit_began: float | None = None
        self._closing = False
        self._ended = False
        self._on_commit: list[Callable[[], None]] = []

    @property
    def overloaded(self) -> bool:
        """True while the disk does not keep up: new work should be refused for now."""
        began = self._commit_began
        stuck = began is not None and self._clock.monotonic() - began > self._max_lag
        return stuck or self._rows > self._max_backlog

    def when_committed(self, call: Callable[[], None]) -> None:
        """Call `call` after each commit."""
        self._on_commit.append(call)

    def submit(self, changes: Sequence[Change]) -> asyncio.Future[None]:
        """Hand over a write; the future is done once it is committed and fsynced.

        All changes of one write are committed together or not at all. The future fails with
        `WriteRefused` if the data cannot be written, `Unavailable` if nothing can be now.
        """
        done = asyncio.get_running_loop().create_future()
        if self._ended or self._closing:
            done.set_exception(Unavailable("The archive is closed."))
            return done
        self._waiting.append(_Write(changes, done))
        self._rows += len(changes)
        self._arrived.set()
        return done

    async def write(self, *changes: Change) -> None:
        """Write `changes` together, and return when they are on disk.

        Raises:
            WriteRefused: the data cannot be written.
            Unavailable: nothing can be written now (disk full, shutting down).
        """
        await self.submit(changes)

    def close(self) -> None:
        """Let `run` end once all that was handed over is written."""
        self._closing = True
        self._arrived.set()

    async def run(self) -> None:
        """Write until `close`. Whatever ends it, nobody is left waiting."""
        try:
            async with self._engine.connect() as connection:
                while True:
                    await self._arrived.wait()
                    self._arrived.clear()
                    while self._waiting:
                        await self._commit(connection, self._take())
                    if self._closing:
                        return
        finally:
            self._ended = True
            for write in self._waiting:
                _fail(write, Unavailable("The archive's writer has ended."))
            self._waiting.clear()

    def _take(self) -> list[_Write]:
        taken: list[_Write] = []
        rows = 0
        while self._waiting and (not taken or rows + len(self._waiting[0].changes) <= _TRANSACTION):
            write = self._waiting.popleft()
            rows += len(write.changes)
            taken.append(write)
        self._rows -= rows
        return taken

    async def _commit(self, connection: AsyncConnection, writes: list[_Write]) -> None:
        self._commit_began = self._clock.monotonic()
        try:
            try:
                await self._together(connection, writes)
            except WriteRefused:
                await self._one_by_one(connection, writes)
        except Unavailable as error:
            for write in writes:
                _fail(write, error)
        except BaseException:
            for write in writes:
                _fail(write, Unavailable("The archive's writer has ended."))
            raise
        finally:
            self._commit_began = None
        for call in self._on_commit:
            call()

    async def _together(self, connection: AsyncConnection, writes: Iterable[_Write]) -> None:
        try:
            async with connection.begin():
                await _execute(connection, [c for write in writes for c in write.changes])
        except _REFUSALS as error:
            raise _classify(error) from error
        for write in writes:
            if not write.done.done():
                write.done.set_result(None)

    async def _one_by_one(self, connection: AsyncConnection, writes: list[_Write]) -> None:
        """Find the bad writes: each in a savepoint of its own, all in one commit."""
        refusals: dict[int, WriteRefused] = {}
        try:
            async with connection.begin():
                for index, write in enumerate(writes):
                    try:
                        async with connection.begin_nested():
                            await _execute(connection, write.changes)
                    except _REFUSALS as error:
                        verdict = _classify(error)
                        if isinstance(verdict, Unavailable):
                            raise verdict from error
                        refusals[index] = verdict
        except SQLAlchemyError as error:
            raise Unavailable(f"The archive cannot be written to: {_plain(error)}.") from error
        for index, write in enumerate(writes):
            if index in refusals:
                _fail(write, refusals[index])
            elif not write.done.done():
                write.done.set_result(None)


async def _execute(connection: AsyncConnection, changes: Iterable[Change]) -> None:
    grouped: dict[Statement, list[Row]] = {}
    for statement, row in changes:
        grouped.setdefault(statement, []).append(row)
    for statement in sorted(grouped, key=lambda s: s.stage):
        rows = _add_up(grouped[statement], statement.amounts)
        for start in range(0, len(rows), _SLICE):
            await connection.execute(statement.clause, rows[start : start + _SLICE])


def _add_up(rows: list[Row], amounts: tuple[str, ...]) -> list[Row]:
    """One row, with the sums, for all that differ only in their amounts."""
    if not amounts or len(rows) == 1:
        return rows
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(value for name, value in row.items() if name not in amounts)
        known = sums.get(key)
        if known is None:
            sums[key] = dict(row)
        else:
            for amount in amounts:
                known[amount] += row[amount]
    return list(sums.values())


def _classify(error: Exception) -> WriteRefused | Unavailable:
    """Whether the data was wrong, or nothing can be written at all."""
    if isinstance(error, DBAPIError) and not _about_data(error):
        log.error("archive.write_failed", error=_plain(error))
        return Unavailable(f"The archive cannot be written to: {_plain(error)}.", retry_after=5)
    return WriteRefused(_plain(error))


def _about_data(error: DBAPIError) -> bool:
    return isinstance(error, _DATA_ERRORS) or "too big" in str(error.orig)


def _plain(error: Exception) -> str:
    """The driver's message alone: SQLAlchemy's shows the statement's parameters too."""
    return str(error.orig) if isinstance(error, DBAPIError) else type(error).__name__


def _fail(write: _Write, error: Exception) -> None:
    if not write.done.done():
        write.done.set_exception(error)
        # Whoever was waiting may be gone; that is no crash of the writer.
        write.done.exception()
