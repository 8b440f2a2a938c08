"""A backup is one complete snapshot, or no file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flashnotify.archive.sqlite.backup import copy_archive, copy_key
from flashnotify.archive.sqlite.inspection import faults, open_read_only
from flashnotify.errors import BackupFailed

ROWS = 4000


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of some 16 MiB."""
    file = tmp_path / "archive.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT, of INTEGER)")
        connection.execute("CREATE INDEX by_of ON rows (of)")
        connection.executemany(
            "INSERT INTO rows VALUES (?, ?, 0)", ((n, "x" * 4000) for n in range(ROWS))
        )
        connection.commit()
    return file


@pytest.fixture
def writer(archive: Path) -> Iterator[sqlite3.Connection]:
    """A connection that writes, as a running `serve` has."""
    with closing(sqlite3.connect(archive, isolation_level=None)) as connection:
        yield connection


def test_commits_during_a_backup_are_not_copied_and_do_not_restart_it(
    archive: Path, tmp_path: Path, writer: sqlite3.Connection
) -> None:
    reports: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        reports.append((done, total))
        writer.execute("UPDATE rows SET of = of + 1 WHERE id IN (0, ?)", (ROWS - 1,))
        writer.execute("INSERT INTO rows VALUES (NULL, 'new', 9)")

    target = tmp_path / "copy.db"
    copy_archive(archive, target, progress)
    done = [d for d, _ in reports]
    assert len(reports) > 3
    assert done == sorted(set(done))
    assert reports[-1][0] == reports[-1][1]
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*), max(of) FROM rows").fetchone() == (ROWS, 0)


def test_an_interrupted_backup_leaves_no_file(archive: Path, tmp_path: Path) -> None:
    def progress(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "copies").mkdir()
    with pytest.raises(KeyboardInterrupt):
        copy_archive(archive, tmp_path / "copies" / "copy.db", progress)
    assert list((tmp_path / "copies").iterdir()) == []


def damage(archive: Path) -> None:
    """Overwrite a page in the middle of the file, behind SQLite's back."""
    with archive.open("r+b") as file:
        file.seek(archive.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)


def test_a_damaged_archive_makes_no_backup(archive: Path, tmp_path: Path) -> None:
    damage(archive)
    target = tmp_path / "copy.db"
    target.write_text("the backup of yesterday")
    with pytest.raises(BackupFailed, match=r"damaged|malformed"):
        copy_archive(archive, target, lambda _done, _total: None)
    assert target.read_text() == "the backup of yesterday"


def test_an_unwritable_target_is_reported(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="cannot be written"):
        copy_archive(archive, tmp_path / "nowhere" / "copy.db", lambda _done, _total: None)
    with pytest.raises(BackupFailed, match="cannot be"):
        copy_key(tmp_path / "no-key", tmp_path / "copy.secret")
    assert list(tmp_path.glob("copy*")) == []


def test_a_read_only_connection_cannot_write(archive: Path, writer: sqlite3.Connection) -> None:
    with closing(open_read_only(archive)) as reader:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM rows")
        writer.execute("INSERT INTO rows VALUES (NULL, 'new', 9)")
        before = archive.stat().st_mtime_ns, archive.read_bytes()[:100]
        with pytest.raises(sqlite3.OperationalError):
            reader.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert (archive.stat().st_mtime_ns, archive.read_bytes()[:100]) == before
    assert archive.with_name(archive.name + "-wal").stat().st_size > 0


def test_faults_are_reported_and_a_slow_check_is_abandoned(archive: Path) -> None:
    assert faults(archive, within=50) == []
    assert faults(archive, within=0) is None
    damage(archive)
    assert faults(archive, within=50)
    archive.unlink()
    with pytest.raises(sqlite3.OperationalError):
        faults(archive, within=50)
