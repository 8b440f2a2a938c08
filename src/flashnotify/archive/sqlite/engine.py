"""Connections to a SQLite archive."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from flashnotify.archive.sqlite.driver import Connection
from flashnotify.errors import InvalidValue

# Seconds to wait for a connection to read with, when the disk is slower than the demand.
_PATIENCE = 5.0


def archive_url(setting: str) -> URL:
    """Return the URL of a SQLite archive, or raise `InvalidValue`."""
    try:
        url = make_url(setting)
    except (ArgumentError, ValueError):
        raise InvalidValue("not_a_database", "it must be a database URL") from None
    if url.get_backend_name() != "sqlite":
        raise InvalidValue("not_a_database", f"{url.get_backend_name()} is not supported")
    # SQLite would keep some of these in memory.
    name = (url.database or "").strip()
    if not name or name.startswith((":", "file:")) or not name.isprintable():
        raise InvalidValue("not_a_database", "it must name a file: notifications are kept on disk")
    if url.query or url.host or url.username:
        raise InvalidValue(
            "not_a_database",
            "it takes a path after sqlite:/// and nothing else: no host, and no options after '?'",
        )
    return url.set(drivername="sqlite+aiosqlite")


def archive_file(url: URL) -> Path:
    """Return the SQLite file of an archive."""
    assert url.database is not None
    return Path(url.database)


def open_writer(url: URL) -> AsyncEngine:
    """Open the engine of the only connection that writes.

    With WAL and `synchronous=FULL`, a commit returns once the log is on disk. With `secure_delete`,
    what is deleted is overwritten: who is erased must not be found in free pages.
    """
    pragmas = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")
    engine = _open(url, pragmas, pool_size=1)

    # The connection is in autocommit mode, so that savepoints work.
    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def open_readers(url: URL, connections: int = 4) -> AsyncEngine:
    """Open the engine of the connections that only read."""
    return _open(url, ("query_only=ON",), pool_size=connections, pool_timeout=_PATIENCE)


def _open(url: URL, pragmas: Sequence[str], **pool: Any) -> AsyncEngine:
    file, every = archive_file(url).absolute(), (*pragmas, "busy_timeout=5000")
    opened = partial(Connection.open, file, every)
    return create_async_engine(url, max_overflow=0, async_creator=opened, **pool)
