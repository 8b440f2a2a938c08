"""The writer's transactions on SQLite, each in one hand-over to the thread of its connection."""

import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
from sqlalchemy import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine

from flashnotify.archive.sql.changes import Change, Row, Statement, add_up
from flashnotify.archive.sql.compiled import CHUNK, CompiledStatement
from flashnotify.archive.sqlite.driver import Connection
from flashnotify.archive.sqlite.write_errors import FAILURES, classify, plain
from flashnotify.errors import Unavailable, WriteRefused, stack_of

log = structlog.get_logger(__name__)


class SqliteTransactions:
    """Implements `Transactions`. Its statements are compiled at their first use."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._dialect: Dialect = engine.dialect
        self._compiled: dict[tuple[Statement, tuple[str, ...]], CompiledStatement] = {}
        self._connection: Connection

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold the connection open."""
        async with self._engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            self._connection = driver
            yield

    async def together(self, groups: Sequence[Sequence[Change]]) -> None:
        """Commit groups of changes in order, those of one group grouped by statement."""
        await self._connection.run(self._together, groups)

    async def one_by_one(
        self, writes: Sequence[Sequence[Change]]
    ) -> Mapping[int, WriteRefused | RuntimeError]:
        """Commit the writes that are good, and return the errors of the others by index."""
        return await self._connection.run(self._one_by_one, writes)

    async def truncate_log(self) -> bool:
        """Move the log into the database and empty its file; return whether that was possible."""
        return await self._connection.run(_truncate_log)

    def _together(self, connection: sqlite3.Connection, groups: Sequence[Sequence[Change]]) -> None:
        with _transaction(connection):
            for changes in groups:
                self._execute(connection, changes)

    def _one_by_one(
        self, connection: sqlite3.Connection, writes: Sequence[Sequence[Change]]
    ) -> Mapping[int, WriteRefused | RuntimeError]:
        refusals: dict[int, WriteRefused | RuntimeError] = {}
        with _transaction(connection):
            for index, changes in enumerate(writes):
                connection.execute("SAVEPOINT write")
                try:
                    self._execute(connection, changes)
                except FAILURES as error:
                    refusals[index] = _refusal(error)
                    connection.execute("ROLLBACK TO write")
                connection.execute("RELEASE write")
        return refusals

    def _execute(self, connection: sqlite3.Connection, changes: Iterable[Change]) -> None:
        grouped: dict[Statement, list[Row]] = {}
        for statement, row in changes:
            grouped.setdefault(statement, []).append(row)
        for statement in sorted(grouped, key=lambda s: s.stage):
            rows = add_up(grouped[statement], statement.amounts)
            _run(connection, self._compile(statement, rows[0]), rows)

    def _compile(self, statement: Statement, row: Row) -> CompiledStatement:
        key = (statement, tuple(row))
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = CompiledStatement(statement, row, self._dialect)
        return compiled


def _run(connection: sqlite3.Connection, compiled: CompiledStatement, rows: Sequence[Row]) -> None:
    if compiled.text_of_chunk is not None:
        while len(rows) >= CHUNK:
            connection.execute(compiled.text_of_chunk, compiled.bind(*rows[:CHUNK]))
            rows = rows[CHUNK:]
    if len(rows) == 1:
        connection.execute(compiled.text, compiled.bind(rows[0]))
    elif rows:
        connection.executemany(compiled.text, map(compiled.bind, rows))


def _truncate_log(connection: sqlite3.Connection) -> bool:
    # Readers end soon: to wait for them here would keep writes waiting.
    connection.execute("PRAGMA busy_timeout=50")
    try:
        [(busy, _, _)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return not busy
    finally:
        connection.execute("PRAGMA busy_timeout=5000")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside, or roll it back. Raise errors as the writer knows them."""
    try:
        _begin(connection)
        yield
        _commit(connection)
    except FAILURES as error:
        raise classify(error) from error
    finally:
        # A full disk has rolled it back already.
        if connection.in_transaction:
            connection.rollback()


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")


def _commit(connection: sqlite3.Connection) -> None:
    connection.execute("COMMIT")


def _refusal(error: Exception) -> WriteRefused | RuntimeError:
    """Return why a write fails alone. Raise `Unavailable` if nothing can be written."""
    verdict = classify(error)
    if isinstance(verdict, Unavailable):
        raise verdict from error
    if isinstance(verdict, RuntimeError):
        log.error("archive.wrong_statement", error=plain(error), stack=stack_of(error))
    return verdict
