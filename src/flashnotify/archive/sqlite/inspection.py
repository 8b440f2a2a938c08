"""Read-only inspection of an archive that a running `serve` may be writing to.

All functions raise `sqlite3.Error` for a file that cannot be read.
"""

import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

# The largest number of faults reported.
_FAULTS = 5


def open_read_only(file: Path) -> sqlite3.Connection:
    """Open a connection that can neither write nor checkpoint."""
    uri = f"{file.resolve().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None)


def revision(archive: sqlite3.Connection) -> str | None:
    """Return the revision of the tables, or None if there are none."""
    asked = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
    if archive.execute(asked).fetchone() == (0,):
        return None
    found = archive.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found is not None else None


def has_api_keys(archive: sqlite3.Connection) -> bool:
    """Return whether any API key was ever created."""
    return archive.execute("SELECT 1 FROM api_keys LIMIT 1").fetchone() is not None


def secret_keys(archive: sqlite3.Connection) -> Sequence[tuple[str, int]]:
    """Return the fingerprints of the secret keys that were used, newest first.

    Each comes with the number of valid API keys that are older.
    """
    found = archive.execute(
        "SELECT json_extract(details, '$.fingerprint'), (SELECT count(*) FROM api_keys "
        "WHERE revoked_at IS NULL AND created_at < audit.at) FROM audit "
        "WHERE action = 'secret_key.set' ORDER BY number DESC"
    )
    return [(str(fingerprint), keys) for fingerprint, keys in found]


def expiring_keys(archive: sqlite3.Connection, after: int, before: int) -> Sequence[str]:
    """Return the names of valid API keys that expire between two times (ms since the epoch)."""
    found = archive.execute(
        "SELECT name FROM api_keys WHERE revoked_at IS NULL AND expires_at > ? AND expires_at <= ? "
        "ORDER BY expires_at",
        (after, before),
    )
    return [name for (name,) in found]


def faults(file: Path, *, within: float) -> Sequence[str] | None:
    """Return the faults that SQLite's quick check finds, or None if it takes over `within` seconds.

    Only for short-lived processes: a check that takes longer runs on in the background.
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

    # In a daemon thread: SQLite before 3.42 cannot be interrupted while it checks a table.
    threading.Thread(target=check, daemon=True).start()
    try:
        return outcome.result(within)
    except TimeoutError:
        return None
