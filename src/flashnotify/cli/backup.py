"""`flashnotify backup`: a copy of the archive and of its keys, whether `serve` runs or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from flashnotify.archive.sqlite.backup import copy_archive, copy_key
from flashnotify.channels.push.webpush import VAPID_FILE
from flashnotify.cli.progress import progress_bar
from flashnotify.errors import BackupFailed
from flashnotify.settings import KEY_FILE, ServiceConfig

# What SQLite and `serve` keep beside an archive that is in use.
_IN_USE = ("-wal", "-shm", "-journal")
_PARTS = (*_IN_USE, ".lock", ".sock")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("backup")(backup)


def backup(
    file: Annotated[Path, typer.Argument(help="Where to; its keys go beside it.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if there is one.")] = False,
) -> None:
    """Copy the archive and its keys to FILE, while `serve` goes on.

    The copy is consistent, checked and on disk before it gets its name. FILE.secret and
    FILE.vapid.pem are the keys that belong to it: without them, API keys and browsers'
    subscriptions do not work after a restore.
    """
    config = ServiceConfig()
    keys = {
        config.beside(name): file.with_name(f"{file.name}.{name}")
        for name in (KEY_FILE, VAPID_FILE)
        if config.beside(name).exists()
    }
    _refuse(config.archive_file, file, keys, force=force)
    for key, target in keys.items():
        copy_key(key, target)
    with progress_bar() as bar:
        task = bar.add_task("copying", total=None)

        def advance(done: int, total: int) -> None:
            checking = "checking" if done == total else "copying"
            bar.update(task, completed=done, total=total, description=checking)

        copy_archive(config.archive_file, file, advance)
    print(f"{file}: {file.stat().st_size:,} bytes")
    for target in keys.values():
        print(target)
    if config.secret_key is not None:
        print("FLASHNOTIFY_SECRET_KEY is not in it: keep that too.")


def _refuse(archive: Path, file: Path, keys: Mapping[Path, Path], *, force: bool) -> None:
    """Let only a copy begin that can be finished, and harms nothing.

    Raises:
        BackupFailed: it says why, and what to do.
    """
    if not archive.is_file():
        raise BackupFailed(
            f"There is no archive {archive} to copy. FLASHNOTIFY_DATABASE_URL says where it is."
        )
    if not file.parent.is_dir():
        raise BackupFailed(f"There is no folder {file.parent}: make it first.")
    if file.is_dir():
        raise BackupFailed(f"{file} is a folder: name a file in it.")
    parts = {archive.resolve().with_name(archive.name + suffix) for suffix in _PARTS}
    if file.resolve() in parts:
        raise BackupFailed(f"{file} is a part of the archive: name another file.")
    for target in (file, *keys.values()):
        if target.exists() and any(target.samefile(own) for own in (archive, *keys)):
            raise BackupFailed(f"{target} is the archive itself: name another file.")
        if target.exists() and not force:
            raise BackupFailed(f"{target} exists: name another file, or replace it with --force.")
    for suffix in _IN_USE:
        log = file.with_name(file.name + suffix)
        if log.exists():
            # SQLite would play it back into the copy.
            raise BackupFailed(f"{log} exists: {file} was or is in use. Name another file.")
