"""Classify database errors of a write: bad data, a bad statement, or a bad disk."""

import structlog
from sqlalchemy import exc

from flashnotify.errors import SyncFailed, Unavailable, WriteRefused

log = structlog.get_logger(__name__)

# The errors of SQLAlchemy and the driver. The last three mean that a value does not fit its column.
FAILURES = (exc.SQLAlchemyError, OverflowError, ValueError, TypeError)
# Those about the values. The driver's interface and programming errors may be about either the
# values or the statement.
_DATA_ERRORS = (exc.IntegrityError, exc.DataError, OverflowError, UnicodeError)
# SQLite's names for a failed fsync, after which nobody knows what the log holds.
_SYNC_FAILURES = ("SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC")


def classify(error: Exception) -> WriteRefused | Unavailable | RuntimeError:
    """Return whether the data, the archive as a whole or a statement of ours is at fault."""
    if _about_data(error):
        return WriteRefused(plain(error))
    if isinstance(error, exc.DBAPIError) and not isinstance(
        error, exc.InterfaceError | exc.ProgrammingError
    ):
        log.error("archive.write_failed", error=plain(error))
        return unavailable(error)
    return RuntimeError(f"A statement cannot be run: {plain(error)}.")


def unavailable(error: Exception) -> Unavailable:
    """Return the error for an archive that cannot be written to, or for a failed fsync."""
    if getattr(getattr(error, "orig", None), "sqlite_errorname", "") in _SYNC_FAILURES:
        return SyncFailed(
            "The disk failed while this was written, and the service ends. Whether it was kept is "
            "unknown: send it again with the same Idempotency-Key.",
            retry_after=5,
        )
    return Unavailable(f"The archive cannot be written to: {plain(error)}.", retry_after=5)


def _about_data(error: Exception) -> bool:
    if isinstance(error, exc.InterfaceError | exc.ProgrammingError):
        # SQLite's driver: "type 'X' is not supported", before Python 3.12 "unsupported type".
        return "supported" in str(error.orig)
    return isinstance(error, _DATA_ERRORS) or "too big" in str(getattr(error, "orig", ""))


def plain(error: Exception) -> str:
    """Return the driver's message: SQLAlchemy's would show the parameters."""
    return str(error.orig) if isinstance(error, exc.DBAPIError) else type(error).__name__
