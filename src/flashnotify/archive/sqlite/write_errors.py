"""Classify SQLite's errors of a write: bad data, a bad statement, or a bad disk."""

import sqlite3

import structlog
from sqlalchemy.exc import SQLAlchemyError

from flashnotify.errors import SyncFailed, Unavailable, WriteRefused

log = structlog.get_logger(__name__)

# Those of the driver and of SQLAlchemy; the others mean that a value is missing or does not fit.
FAILURES = (
    sqlite3.Error,
    SQLAlchemyError,
    OverflowError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)
# Those about the values. The driver's interface and programming errors may be about either the
# values or the statement.
_DATA_ERRORS = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeError)
# SQLite's names for a failed fsync, after which nobody knows what the log holds.
_SYNC_FAILURES = ("SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC")


def classify(error: Exception) -> WriteRefused | Unavailable | RuntimeError:
    """Return whether the data, the archive as a whole or a statement of ours is at fault."""
    if _about_data(error):
        return WriteRefused(plain(error))
    if isinstance(error, sqlite3.Error) and not isinstance(
        error, sqlite3.InterfaceError | sqlite3.ProgrammingError
    ):
        log.error("archive.write_failed", error=plain(error))
        return _unavailable(error)
    return RuntimeError(f"A statement cannot be run: {plain(error)}.")


def _unavailable(error: sqlite3.Error) -> Unavailable:
    if getattr(error, "sqlite_errorname", "") in _SYNC_FAILURES:
        return SyncFailed(
            "The disk failed while this was written, and the service ends. Whether it was kept is "
            "unknown: send it again with the same Idempotency-Key.",
            retry_after=5,
        )
    return Unavailable(f"The archive cannot be written to: {plain(error)}.", retry_after=5)


def _about_data(error: Exception) -> bool:
    if isinstance(error, sqlite3.InterfaceError | sqlite3.ProgrammingError):
        # SQLite's driver: "type 'X' is not supported", before Python 3.12 "unsupported type".
        return "supported" in str(error)
    return isinstance(error, _DATA_ERRORS) or (
        isinstance(error, sqlite3.Error) and "too big" in str(error)
    )


def plain(error: Exception) -> str:
    """Return the driver's message; those of other errors could show the values."""
    return str(error) if isinstance(error, sqlite3.Error) else type(error).__name__
