"""A consistent copy of an archive, taken while `serve` keeps writing to it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from flashnotify.archive.sqlite.inspection import open_read_only
from flashnotify.errors import BackupFailed
from flashnotify.private_file import replacing

# Pages between two progress reports: 4 MiB.
_STEP = 1024

Progress = Callable[[int, int], None]


def copy_archive(archive: Path, target: Path, progress: Progress) -> None:
    """Copy `archive` to `target`, which is replaced once the copy is complete, checked and on disk.

    `progress` is called with the number of pages copied and their total number. Raise
    `BackupFailed` if a file cannot be read or written, or the copy is damaged.
    """
    with _replacing(target) as partial:
        try:
            _copy(archive, partial, progress)
            _check(partial)
        except sqlite3.Error as error:
            raise BackupFailed(
                f"{archive} cannot be copied to {target}: {error}. Check that the disk has room; "
                "`flashnotify doctor` checks the archive."
            ) from None


def copy_key(file: Path, target: Path) -> None:
    """Copy a small file as `copy_archive` does."""
    with _replacing(target) as partial:
        partial.write_bytes(file.read_bytes())


def _copy(archive: Path, target: Path, progress: Progress) -> None:
    with closing(open_read_only(archive)) as source, closing(sqlite3.connect(target)) as copy:
        # Nobody sees the file before it is complete, and we sync it ourselves.
        copy.execute("PRAGMA journal_mode=OFF")
        copy.execute("PRAGMA synchronous=OFF")
        # One snapshot for the whole copy. Without it, SQLite would start over after each commit of
        # `serve` between two steps.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(
            copy, pages=_STEP, progress=lambda _, left, total: progress(total - left, total)
        )


def _check(copy: Path) -> None:
    # Immutable, so that SQLite leaves no log files beside it.
    uri = f"{copy.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as archive:
        found = archive.execute("PRAGMA integrity_check(1)").fetchone()
    if found != ("ok",):
        raise BackupFailed(
            f"The copy is damaged ({found[0]}), and the archive may be too; there is no backup. "
            "`flashnotify doctor` checks the archive."
        )


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Yield a draft that replaces `target`. Raise `BackupFailed` if it cannot be written."""
    try:
        with replacing(target) as draft:
            yield draft
    except OSError as error:
        raise BackupFailed(f"{target} cannot be written: {error.strerror}.") from None
