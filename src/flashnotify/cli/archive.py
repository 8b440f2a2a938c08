"""`flashnotify migrate` and `backup`: upgrade the archive, copy it."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from flashnotify.archive import schema
from flashnotify.archive.sqlite.backup import copy_archive, copy_key
from flashnotify.archive.sqlite.location import missing
from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.channels.push.webpush import VAPID_FILE
from flashnotify.cli.output import progress_bar
from flashnotify.errors import ArchiveLocked, BackupFailed
from flashnotify.settings import KEY_FILE, ServiceConfig

# Files that SQLite and `serve` keep next to an archive that is in use.
_IN_USE = ("-wal", "-shm", "-journal")
_PARTS = (*_IN_USE, ".lock", ".sock")


def migrate() -> None:
    """Create or upgrade the archive's tables. `serve` also does this when it starts."""
    config = ServiceConfig()
    lock = ArchiveLock(config.archive_file)
    try:
        lock.acquire()
    except ArchiveLocked as error:
        raise ArchiveLocked(
            f"{error} A running serve has already upgraded it: there is nothing left to do."
        ) from None
    try:
        asyncio.run(schema.upgrade(config.archive))
    finally:
        lock.release()
    print(f"{config.archive_file} is up to date.")


def backup(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The copy to write; the keys go next to it.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE if it exists.")] = False,
) -> None:
    """Copy the archive and its keys to FILE, even while `serve` is running.

    The copy gets its name only once it is consistent, checked and on disk. FILE.secret and
    FILE.vapid.pem are its keys: without them, API keys and browser subscriptions do not work
    after a restore.
    """
    config = ServiceConfig()
    keys = {
        config.beside(name): file.with_name(f"{file.name}.{name}")
        for name in (KEY_FILE, VAPID_FILE)
        if config.beside(name).exists()
    }
    for objection in _objections(config.archive_file, file, keys, force=force):
        raise BackupFailed(objection)
    for key, target in keys.items():
        copy_key(key, target)
    with progress_bar() as bar:
        task = bar.add_task("copying", total=None)

        def advance(done: int, total: int) -> None:
            step = "checking" if done == total else "copying"
            bar.update(task, completed=done, total=total, description=step)

        copy_archive(config.archive_file, file, advance)
    print(f"{file}: {file.stat().st_size:,} bytes")
    for target in keys.values():
        print(target)
    if config.secret_key is not None:
        print("The backup does not contain FLASHNOTIFY_SECRET_KEY: keep a copy of it.")


def _objections(
    archive: Path, file: Path, keys: Mapping[Path, Path], *, force: bool
) -> Iterator[str]:
    """Yield why the copy cannot be made, or would overwrite something by mistake."""
    if not archive.is_file():
        yield missing(archive)
    if not file.parent.is_dir():
        yield f"There is no folder {file.parent}: create it first."
    if file.is_dir():
        yield f"{file} is a folder: name a file."
    if file.resolve() in (archive.resolve().with_name(archive.name + part) for part in _PARTS):
        yield f"{file} is part of the archive: name another file."
    for target in filter(Path.exists, (file, *keys.values())):
        if any(target.samefile(own) for own in (archive, *keys)):
            yield f"{target} is the archive itself: name another file."
        if not force:
            yield f"{target} exists: name another file, or overwrite it with --force."
    for log in (file.with_name(file.name + suffix) for suffix in _IN_USE):
        # SQLite would replay it into the copy.
        if log.exists():
            yield f"{log} exists: {file} is or was in use. Name another file."
