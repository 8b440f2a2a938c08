"""Every statement runs as an executemany, and compiles for PostgreSQL too."""

import pkgutil
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import (
    Dialect,
    Double,
    Integer,
    LargeBinary,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from flashnotify.archive import sql
from flashnotify.archive.models import Id
from flashnotify.archive.sql.changes import Statement
from flashnotify.archive.sql.compiled import CHUNK, CompiledStatement
from flashnotify.archive.sql.deliveries import END_SOME
from tests.support.archives import Archive

SQLITE: Dialect = sqlite.dialect()
POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has none


def statements() -> dict[str, Statement]:
    """Return every statement of the package, by its name."""
    found: dict[str, Statement] = {}
    for module in pkgutil.iter_modules(sql.__path__):
        names = vars(import_module(f"flashnotify.archive.sql.{module.name}"))
        found |= {name: value for name, value in names.items() if isinstance(value, Statement)}
    return found


def row(compiled: SQLCompiler) -> dict[str, Any]:
    """Return values of the right types for the parameters of a statement."""
    return {name: value(bind.type) for name, bind in compiled.binds.items() if bind.required}


def value(type: Any) -> Any:
    if isinstance(type, Id):
        return uuid4()
    if isinstance(type, Integer | Double):
        return next(_numbers)
    return f"{next(_numbers)}".encode() if isinstance(type, LargeBinary) else f"{next(_numbers)}"


_numbers = iter(range(1, 1_000_000))


@pytest.fixture
def connection(migrated: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to an empty archive, whose references are checked only at a commit."""
    shutil.copy(migrated, tmp_path / "archive.db")
    with closing(sqlite3.connect(tmp_path / "archive.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("BEGIN")
        connection.execute("PRAGMA defer_foreign_keys=ON")
        yield connection


@pytest.mark.parametrize("name", statements())
def test_runs_with_many_rows_at_once(connection: sqlite3.Connection, name: str) -> None:
    statement: Any = statements()[name]
    rows = [row(statement.clause.compile(dialect=SQLITE)) for _ in range(3)]
    compiled = CompiledStatement(statement, rows[0], SQLITE)
    connection.executemany(compiled.text, map(compiled.bind, rows))


async def test_an_insert_of_many_rows_stores_each(archive: Archive) -> None:
    """Chunks of them are one statement; the rest are inserted by themselves."""
    changes = [archive.notification(title=f"T{number}") for number in range(2 * CHUNK + 7)]
    await archive.writer.write(*changes)
    found = archive.rows("SELECT id, title FROM notifications ORDER BY id")
    assert found == [(row["id"].bytes, row["title"]) for _, row in changes]


@pytest.mark.parametrize("name", statements())
def test_compiles_for_postgresql(name: str) -> None:
    clause: Any = statements()[name].clause
    assert str(clause.compile(dialect=POSTGRESQL))


def test_the_end_of_a_notification_reads_its_counts_once_and_binds_only_what_rows_name() -> None:
    text = CompiledStatement(END_SOME, {"of": uuid4(), "ended": 1, "now": 1}, SQLITE).text
    assert text.count("FROM counts") == 1
    # `ended` four times, `now` twice, and `of`.
    assert text.count("?") == 7
