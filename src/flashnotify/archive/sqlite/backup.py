"""A consistent copy of an archive, taken beside a `serve` that goes on writing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from flashnotify.archive.sqlite.inspection import open_read_only
from flashnotify.errors import BackupFailed

# Pages between two reports of progress: 4 MiB.
_STEP = 1024

Progress = Callable[[int, int], None]


def copy_archive(archive: Path, target: Path, progress: Progress) -> None:
    """Copy `archive` to `target`: there is the whole, checked and on disk, or nothing new.

    `progress` is told how many pages of how many are copied. It replaces what is at `target`.

    Raises:
        BackupFailed: it cannot be read or written, or the copy is damaged.
    """
    with _replacing(target) as partial:
        try:
            _copy(archive, partial, progress)
            _check(partial)
        except sqlite3.Error as error:
            raise BackupFailed(
                f"{archive} cannot be copied to {target}: {error}. Is there room on the disk? "
                "`flashnotify doctor` looks at the archive."
            ) from None


def copy_key(file: Path, target: Path) -> None:
    """Copy a small file as `copy_archive` does.

    Raises:
        BackupFailed: it cannot be read or written.
    """
    with _replacing(target) as partial:
        partial.write_bytes(file.read_bytes())


def _copy(archive: Path, target: Path, progress: Progress) -> None:
    with closing(open_read_only(archive)) as source, closing(sqlite3.connect(target)) as copy:
        # Nobody else sees the file before it is whole, and then we sync it ourselves.
        copy.execute("PRAGMA journal_mode=OFF")
        copy.execute("PRAGMA synchronous=OFF")
        # One snapshot for the whole copy. Without it, each commit of `serve` between two steps
        # would make SQLite begin anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(
            copy, pages=_STEP, progress=lambda _, left, total: progress(total - left, total)
        )


def _check(copy: Path) -> None:
    # Immutable: leaves no log files beside it.
    uri = f"{copy.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as archive:
        found = archive.execute("PRAGMA integrity_check(1)").fetchone()
    if found != ("ok",):
        raise BackupFailed(
            f"The copy is damaged ({found[0]}), and so the archive may be: there is no backup. "
            "`flashnotify doctor` looks at the archive."
        )


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A new file, for its owner alone, which takes the place of `target` once it is on disk."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            yield partial
            _sync(partial)
            partial.replace(target)
            _sync(target.parent)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise BackupFailed(f"{target} cannot be written: {error.strerror}.") from None


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
