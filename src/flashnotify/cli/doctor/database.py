"""Looks at the archive and the disk that it is on. Writes nothing, takes no lock for long."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from flashnotify.archive import schema
from flashnotify.archive.sqlite.engine import sqlite_version
from flashnotify.archive.sqlite.inspection import faults, open_read_only, revision
from flashnotify.cli.doctor.findings import Finding, State

_MIB = 1024 * 1024
# Free space below which it is time to see to it, and below which serve will soon have to refuse.
_LITTLE = 1024 * _MIB
_TOO_LITTLE = 100 * _MIB
# Seconds that the quick check may take.
_PATIENCE = 60.0
_RESTORE = "Stop serve, and restore the archive from a backup (docs/commands.md, Restore)."


def archive_findings(file: Path) -> Iterator[Finding]:
    """All that can be said of the archive without writing to it."""
    yield _folder(file)
    yield _space(file)
    yield Finding("SQLite", State.ok, f"{sqlite_version()}; one connection writes, in one process")
    if not file.exists():
        yield Finding("archive", State.ok, f"{file}: serve makes it at its first start")
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            "archive",
            State.warning,
            f"{file} has mode {mode:04o}: others on this machine can read addresses and messages",
            f"chmod 600 {file}",
        )
    try:
        with closing(open_read_only(file)) as archive:
            yield _tables(archive)
        yield _soundness(file)
    except sqlite3.Error as error:
        yield Finding(
            "archive",
            State.failed,
            f"{file} cannot be read: {error}",
            "Is it the right file, and may this user read it? FLASHNOTIFY_DATABASE_URL names it. "
            f"If it is damaged: {_RESTORE}",
        )


def _folder(file: Path) -> Finding:
    folder = _existing(file.parent)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return Finding(
            "folder",
            State.failed,
            f"{folder} cannot be written to by this user",
            "Make the user that runs serve its owner, or name a file elsewhere with "
            "FLASHNOTIFY_DATABASE_URL.",
        )
    made = "" if folder == file.parent else f"; serve makes {file.parent} in it"
    return Finding("folder", State.ok, f"{folder} can be written to{made}")


def _space(file: Path) -> Finding:
    free = shutil.disk_usage(_existing(file.parent)).free
    found = f"{free // _MIB:,} MiB are free"
    if free >= _LITTLE:
        return Finding("disk", State.ok, found)
    state = State.failed if free < _TOO_LITTLE else State.warning
    return Finding(
        "disk",
        state,
        f"{found}; on a full disk nothing is accepted",
        "Make room, or move the archive to a larger disk.",
    )


def _tables(archive: sqlite3.Connection) -> Finding:
    found, known = revision(archive), schema.revisions()
    if found == known[0]:
        return Finding("tables", State.ok, f"of this version ({found})")
    if found is None or found in known:
        return Finding(
            "tables",
            State.warning,
            f"of an earlier version ({found or 'there are none yet'})",
            "flashnotify migrate; the next start of serve does it too.",
        )
    return Finding(
        "tables",
        State.failed,
        f"of another version ({found}), that this one does not know",
        "Use the version of flashnotify that wrote them, or a later one.",
    )


def _soundness(file: Path) -> Finding:
    size = f"{file.stat().st_size // _MIB:,} MiB"
    found = faults(file, within=_PATIENCE)
    if found is None:
        return Finding(
            "archive",
            State.warning,
            f"{file}, {size}: its check has not ended within {_PATIENCE:g} s",
            "`flashnotify backup` checks the whole of it, however long that takes.",
        )
    if found:
        return Finding("archive", State.failed, f"{file} is damaged: {found[0]}", _RESTORE)
    return Finding("archive", State.ok, f"{file}, {size}: sound")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that there is."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
