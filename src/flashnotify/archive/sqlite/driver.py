"""Connections of aiosqlite with one hand-over to their thread for each read or transaction.

aiosqlite hands over each step of a read by itself: open a cursor, execute, fetch, close. Each costs
a good part of what a small read costs in all.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import aiosqlite

T = TypeVar("T")


class Connection(aiosqlite.Connection):
    """A connection whose cursors fetch while they execute."""

    @classmethod
    async def open(cls, file: Path, pragmas: Sequence[str]) -> Self:
        """Open a file in autocommit mode, with settings such as `query_only=ON`."""

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(file, isolation_level=None)
            # A text with damaged bytes is read as far as it can be: it must not fail other rows.
            connection.text_factory = partial(str, encoding="utf-8", errors="replace")
            try:
                for pragma in pragmas:
                    connection.execute(f"PRAGMA {pragma}")
            except BaseException:
                connection.close()
                raise
            return connection

        connection = cls(connect, iter_chunk_size=64)
        # Nothing waits for the thread of a read that hangs.
        connection._thread.daemon = True
        await connection
        return connection

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run `function(connection, *arguments)` in the thread of the SQLite connection."""
        execute: Any = self._execute
        result: T = await execute(function, self._conn, *arguments)
        return result

    def cursor(self) -> Any:
        """Return a cursor."""
        return Cursor(self)

    async def commit(self) -> None:
        """Commit the transaction, if there is one."""
        if self.in_transaction:
            await super().commit()

    async def rollback(self) -> None:
        """Roll the transaction back, if there is one."""
        if self.in_transaction:
            await super().rollback()


class Cursor:
    """What SQLAlchemy needs of a cursor. Its rows are in memory once it has executed."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Any = ()) -> None:
        """Execute a statement, and fetch its rows."""
        await self._connection.run(self._run, sqlite3.Cursor.execute, sql, parameters)

    async def executemany(self, sql: str, parameters: Any) -> None:
        """Execute a statement that returns no rows, once for each set of parameters."""
        await self._connection.run(self._run, sqlite3.Cursor.executemany, sql, parameters)

    async def fetchall(self) -> Sequence[Any]:
        """Return the rows."""
        return self._rows

    async def close(self) -> None:
        """Do nothing: SQLite's cursor was closed when the rows were fetched."""

    def _run(self, connection: sqlite3.Connection, execute: Any, sql: str, values: Any) -> None:
        cursor = connection.cursor()
        try:
            execute(cursor, sql, values)
            self.description, self.rowcount = cursor.description, cursor.rowcount
            self.lastrowid = cursor.lastrowid
            self._rows = cursor.fetchall() if cursor.description else ()
        finally:
            cursor.close()
