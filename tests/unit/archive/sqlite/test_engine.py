"""Opening connections to a SQLite archive."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine

from flashnotify.archive.sqlite.engine import archive_file, archive_url, open_readers, open_writer
from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.errors import ArchiveLocked, SettingsError
from flashnotify.settings import ServiceConfig


async def pragmas(engine: AsyncEngine, *names: str) -> list[Any]:
    """Return the pragmas of a connection of `engine`."""
    try:
        async with engine.connect() as connection:
            return [(await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in names]
    finally:
        await engine.dispose()


async def test_the_writer_syncs_every_commit_and_checks_references(tmp_path: Path) -> None:
    engine = open_writer(archive_url(f"sqlite:///{tmp_path}/archive.db"))
    names = ("journal_mode", "synchronous", "foreign_keys")
    assert await pragmas(engine, *names) == ["wal", 2, 1]


async def test_readers_cannot_write(migrated: Path) -> None:
    engine = open_readers(archive_url(f"sqlite:///{migrated}"))
    try:
        async with engine.connect() as connection:
            with pytest.raises(Exception, match="readonly"):
                await connection.exec_driver_sql("DELETE FROM notifications")
    finally:
        await engine.dispose()


async def test_a_connection_that_cannot_be_set_up_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Remember the milk.\n" * 500)
    before = threading.enumerate()
    engine = open_writer(archive_url(f"sqlite:///{tmp_path}/notes.txt"))
    with pytest.raises(DatabaseError, match="file is not a database") as failure:
        await engine.connect()
    await engine.dispose()
    for thread in threading.enumerate():
        if thread not in before:
            await asyncio.to_thread(thread.join, 5.0)
            assert not thread.is_alive(), failure


def test_an_archive_is_a_file() -> None:
    assert archive_file(archive_url("sqlite:///var/a.db")) == Path("var/a.db")
    assert archive_file(archive_url("sqlite:////var/lib/a.db")) == Path("/var/lib/a.db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:/// :memory:",
        "sqlite:///file::memory:?cache=shared&uri=true",
        "sqlite:///file:a.db?mode=memory&uri=true",
        "sqlite:///a.db?timeout=soon",
        "sqlite:///a.db?wal=1",
        "sqlite:///a%00.db",
        "sqlite://var/a.db",
        "sqlite://host:port/a.db",
        "postgresql://me:hunter2@host/db",
    ],
)
def test_a_url_that_is_not_a_file_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(SettingsError, match="Example: FLASHNOTIFY_DATABASE_URL=") as failure:
        ServiceConfig(database_url=url)
    assert "hunter2" not in str(failure.value)
    assert str(failure.value).count("FLASHNOTIFY_DATABASE_URL") == 2


def test_a_link_is_the_same_archive(tmp_path: Path) -> None:
    first = ArchiveLock(tmp_path / "a.db")
    first.acquire()
    (tmp_path / "other").mkdir()
    symbolic, hard = tmp_path / "other" / "s.db", tmp_path / "other" / "h.db"
    symbolic.symlink_to(tmp_path / "a.db")
    hard.hardlink_to(tmp_path / "a.db")
    for link in (symbolic, hard):
        with pytest.raises(ArchiveLocked, match=f"{link.name} is in use by another flashnotify"):
            ArchiveLock(link).acquire()
    assert ArchiveLock(symbolic).holder() == str(os.getpid())
    first.release()
    other = ArchiveLock(hard)
    other.acquire()
    with pytest.raises(ArchiveLocked):
        first.acquire()
    other.release()


def test_a_file_that_is_deleted_or_replaced_is_not_in_place(tmp_path: Path) -> None:
    file, lock = tmp_path / "a.db", ArchiveLock(tmp_path / "a.db")
    lock.acquire()
    states = [lock.in_place()]
    file.rename(tmp_path / "b.db")
    states.append(lock.in_place())
    file.touch()
    states.append(lock.in_place())
    (tmp_path / "b.db").rename(file)
    states.append(lock.in_place())
    lock.release()
    assert states == [True, False, False, True]


def test_a_second_process_is_refused_with_a_remedy(tmp_path: Path) -> None:
    first, second = ArchiveLock(tmp_path / "a.db"), ArchiveLock(tmp_path / "a.db")
    first.acquire()
    with pytest.raises(ArchiveLocked, match=r"process \d+.*FLASHNOTIFY_DATABASE_URL"):
        second.acquire()
    ArchiveLock(tmp_path / "b.db").acquire()
    first.release()
    second.acquire()
    second.release()
