"""Looks at an archive without writing to it, beside a `serve` that does."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

# Faults that are told, at the most.
_FAULTS = 5


def open_read_only(file: Path) -> sqlite3.Connection:
    """A connection that can neither write nor checkpoint, whatever is asked of it.

    Raises:
        sqlite3.Error: there is no such file, or it cannot be opened.
    """
    uri = f"{file.resolve().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None)


def revision(archive: sqlite3.Connection) -> str | None:
    """The revision of the tables; None if there are none.

    Raises:
        sqlite3.Error: it is no SQLite file, or cannot be read.
    """
    asked = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
    if archive.execute(asked).fetchone() == (0,):
        return None
    found = archive.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found is not None else None


def has_api_keys(archive: sqlite3.Connection) -> bool:
    """Whether there is or was any API key.

    Raises:
        sqlite3.Error: it has no such table, or cannot be read.
    """
    return archive.execute("SELECT 1 FROM api_keys LIMIT 1").fetchone() is not None


def faults(file: Path, *, within: float) -> Sequence[str] | None:
    """What SQLite's quick check finds wrong; None if it has not ended `within` seconds.

    For a process that ends soon: the check goes on until it does.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    outcome: Future[Sequence[str]] = Future()

    def check() -> None:
        try:
            with closing(open_read_only(file)) as archive:
                found = archive.execute(f"PRAGMA quick_check({_FAULTS})").fetchall()
            outcome.set_result([line for (line,) in found if line != "ok"])
        except sqlite3.Error as error:
            if error.sqlite_errorname == "SQLITE_CORRUPT":
                outcome.set_result([str(error)])
            else:
                outcome.set_exception(error)

    # In a daemon thread, since SQLite before 3.42 cannot be interrupted while it checks a table.
    threading.Thread(target=check, daemon=True).start()
    try:
        return outcome.result(within)
    except TimeoutError:
        return None
