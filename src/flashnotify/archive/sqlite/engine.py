"""Connections to a SQLite archive."""

from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from flashnotify.archive.sqlite.location import EXAMPLE
from flashnotify.errors import SettingsError

# Seconds to wait for a connection to read with, when the disk is slower than the demand.
_PATIENCE = 5.0


def archive_url(setting: str) -> URL:
    """Return the URL of a SQLite archive, or raise `SettingsError`."""
    try:
        url = make_url(setting)
    except (ArgumentError, ValueError):
        raise SettingsError(f"FLASHNOTIFY_DATABASE_URL is not a database URL. {EXAMPLE}") from None
    if url.get_backend_name() != "sqlite":
        raise SettingsError(
            f"FLASHNOTIFY_DATABASE_URL: {url.get_backend_name()} is not supported. {EXAMPLE}"
        )
    # SQLite would keep some of these in memory.
    name = (url.database or "").strip()
    if not name or name.startswith((":", "file:")) or not name.isprintable():
        raise SettingsError(
            "FLASHNOTIFY_DATABASE_URL must name a file: notifications are kept on disk. " + EXAMPLE
        )
    if url.query or url.host or url.username:
        raise SettingsError(
            "FLASHNOTIFY_DATABASE_URL takes a path after sqlite:/// and nothing else: no host, and "
            f"no options after '?'. {EXAMPLE}"
        )
    return url.set(drivername="sqlite+aiosqlite")


def archive_file(url: URL) -> Path:
    """Return the SQLite file of an archive."""
    assert url.database is not None
    return Path(url.database)


def open_writer(url: URL) -> AsyncEngine:
    """Open the engine of the only connection that writes.

    With WAL and `synchronous=FULL`, a commit returns once the log is on disk.
    """
    engine = _open(url, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", pool_size=1)

    # With isolation_level None the driver starts no transactions itself, so savepoints work.
    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def open_readers(url: URL, connections: int = 4) -> AsyncEngine:
    """Open the engine of the connections that only read."""
    pool = {"pool_size": connections, "pool_timeout": _PATIENCE}
    return _open(url, "query_only=ON", isolation_level="AUTOCOMMIT", **pool)


def _open(url: URL, *pragmas: str, **options: Any) -> AsyncEngine:
    options["connect_args"] = {"isolation_level": None}
    engine = create_async_engine(url, max_overflow=0, **options)

    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # A text with damaged bytes is read as far as it can be: it must not fail the other rows.
        connection.driver_connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        try:
            cursor = connection.cursor()
            for pragma in (*pragmas, "busy_timeout=5000"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()
        except BaseException:
            # The pool drops a connection that it could not set up, and its thread would live on.
            connection.close()
            raise

    return engine
