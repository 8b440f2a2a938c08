"""Checks of the archive and its disk. Writes nothing and holds no lock for long."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from flashnotify.archive import schema
from flashnotify.archive.sqlite.inspection import faults, open_read_only, revision
from flashnotify.cli.doctor.findings import Finding, State

_MIB = 1024 * 1024
# Free space below which to warn, and below which serve will soon refuse notifications.
_LOW = 1024 * _MIB
_CRITICAL = 100 * _MIB
# Seconds that the quick check may take.
_CHECK_TIMEOUT = 60.0
_RESTORE = "Stop serve and restore a backup (docs/commands.md, Backup and restore)."


def archive_findings(file: Path) -> Iterator[Finding]:
    """Check the archive without writing to it."""
    yield _folder(file)
    yield _space(file)
    yield Finding(
        "SQLite", "ok", f"{sqlite3.sqlite_version}; one connection writes, in one process"
    )
    if not file.exists():
        yield Finding("archive", "ok", f"{file}: serve will create it when it starts")
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            "archive",
            "warning",
            f"{file} has mode {mode:04o}: others on this machine can read addresses and messages",
            f"chmod 600 {file}",
        )
    try:
        with closing(open_read_only(file)) as archive:
            yield _tables(archive)
        yield _integrity(file)
    except sqlite3.Error as error:
        yield Finding(
            "archive",
            "failed",
            f"{file} cannot be read: {error}",
            "Check FLASHNOTIFY_DATABASE_URL and this user's permission to read the file. "
            f"If the file is damaged: {_RESTORE}",
        )


def _folder(file: Path) -> Finding:
    folder = _existing(file.parent)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return Finding(
            "folder",
            "failed",
            f"{folder} is not writable by this user",
            "Make the user that runs serve its owner, or choose another folder with "
            "FLASHNOTIFY_DATABASE_URL.",
        )
    created = "" if folder == file.parent else f"; serve will create {file.parent} in it"
    return Finding("folder", "ok", f"{folder} is writable{created}")


def _space(file: Path) -> Finding:
    free = shutil.disk_usage(_existing(file.parent)).free
    found = f"{free // _MIB:,} MiB free"
    if free >= _LOW:
        return Finding("disk", "ok", found)
    state: State = "failed" if free < _CRITICAL else "warning"
    return Finding(
        "disk",
        state,
        f"{found}; on a full disk nothing is accepted",
        "Free some space, or move the archive to a larger disk.",
    )


def _tables(archive: sqlite3.Connection) -> Finding:
    found, known = revision(archive), schema.revisions()
    if found == known[0]:
        return Finding("tables", "ok", f"of this version ({found})")
    if found is None or found in known:
        return Finding(
            "tables",
            "warning",
            f"of an earlier version ({found})" if found else "there are none yet",
            "Run `flashnotify migrate`, or start serve, which does the same.",
        )
    return Finding(
        "tables",
        "failed",
        f"of an unknown version ({found})",
        "Use the version of flashnotify that created them, or a later one.",
    )


def _integrity(file: Path) -> Finding:
    size = f"{file.stat().st_size // _MIB:,} MiB"
    found = faults(file, within=_CHECK_TIMEOUT)
    if found is None:
        return Finding(
            "archive",
            "warning",
            f"{file}, {size}: the check did not finish within {_CHECK_TIMEOUT:g} s",
            "Run `flashnotify backup`, which checks all of it, however long that takes.",
        )
    if found:
        return Finding("archive", "failed", f"{file} is damaged: {found[0]}", _RESTORE)
    return Finding("archive", "ok", f"{file}, {size}: no damage found")


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest ancestor that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
