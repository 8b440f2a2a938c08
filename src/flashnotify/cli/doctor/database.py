"""Checks of the archive and its disk. Writes nothing and holds no lock for long."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import time

from flashnotify.archive import migration
from flashnotify.archive.sqlite.inspection import (
    expiring_keys,
    faults,
    open_read_only,
    revision,
)
from flashnotify.archive.sqlite.location import missing
from flashnotify.cli.doctor.findings import Finding, exposed_mode, failed, ok, warning
from flashnotify.identity.key_terms import EXPIRES_SOON

_MIB = 1024 * 1024
# Free space below which to warn, and below which serve will soon refuse notifications.
_LOW = 1024 * _MIB
_CRITICAL = 100 * _MIB
# Seconds that the quick check may take.
_CHECK_TIMEOUT = 60.0
_RESTORE = "Stop serve and restore a backup (docs/commands.md, Backup and restore)."


def archive_findings(file: Path) -> Iterator[Finding]:
    """Check the archive without writing to it."""
    # The folder, or its nearest ancestor that exists.
    folder = next(path for path in (file.parent, *file.absolute().parents) if path.exists())
    yield _folder(folder, file.parent)
    yield _space(shutil.disk_usage(folder).free)
    yield ok("SQLite", f"{sqlite3.sqlite_version}; one connection writes, in one process")
    if not file.exists():
        found, _, remedy = missing(file).partition(". ")
        yield warning("archive", found, remedy)
        return
    if mode := exposed_mode(file):
        found = f"{file} has mode {mode}: others on this machine can read addresses and messages"
        yield warning("archive", found, f"chmod 600 {file}")
    try:
        with closing(open_read_only(file)) as archive:
            yield _tables(archive)
            if revision(archive) is not None:
                yield from _expiring(archive)
        yield _integrity(file)
    except sqlite3.Error as error:
        yield failed(
            "archive",
            f"{file} cannot be read: {error}",
            "Check FLASHNOTIFY_DATABASE_URL and this user's permission to read the file. "
            f"If the file is damaged: {_RESTORE}",
        )


def _folder(folder: Path, wanted: Path) -> Finding:
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return failed(
            "folder",
            f"{folder} is not writable by this user",
            "Make the user that runs serve its owner, or choose another folder with "
            "FLASHNOTIFY_DATABASE_URL.",
        )
    created = "" if folder == wanted else f"; serve will create {wanted} in it"
    return ok("folder", f"{folder} is writable{created}")


def _space(free: int) -> Finding:
    found = f"{free // _MIB:,} MiB free"
    if free >= _LOW:
        return ok("disk", found)
    state = failed if free < _CRITICAL else warning
    remedy = "Free some space, or move the archive to a larger disk."
    return state("disk", f"{found}; on a full disk nothing is accepted", remedy)


def _tables(archive: sqlite3.Connection) -> Finding:
    found, known = revision(archive), migration.revisions()
    if found == known[0]:
        return ok("tables", f"of this version ({found})")
    if found is None or found in known:
        earlier = f"of an earlier version ({found})" if found else "there are none yet"
        remedy = "Run `flashnotify migrate`, or start serve, which does the same."
        return warning("tables", earlier, remedy)
    remedy = "Use the version of flashnotify that created them, or a later one."
    return failed("tables", f"of an unknown version ({found})", remedy)


def _expiring(archive: sqlite3.Connection) -> Iterator[Finding]:
    now = int(time() * 1000)
    if names := expiring_keys(archive, now, now + EXPIRES_SOON):
        remedy = "See `flashnotify keys list`, and give their holders new ones in time."
        yield warning("API keys", f"{', '.join(names)} expire within 14 days", remedy)


def _integrity(file: Path) -> Finding:
    size = f"{file.stat().st_size // _MIB:,} MiB"
    found = faults(file, within=_CHECK_TIMEOUT)
    if found is None:
        return warning(
            "archive",
            f"{file}, {size}: the check did not finish within {_CHECK_TIMEOUT:g} s",
            "Run `flashnotify backup`, which checks all of it, however long that takes.",
        )
    if found:
        return failed("archive", f"{file} is damaged: {found[0]}", _RESTORE)
    return ok("archive", f"{file}, {size}: no damage found")
