"""`flashnotify migrate`: upgrade the archive to this version."""

import asyncio

from flashnotify.archive import schema
from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.settings import ServiceConfig


def migrate() -> None:
    """Create or upgrade the archive's tables. `serve` also does this when it starts."""
    config = ServiceConfig()
    lock = ArchiveLock(config.archive_file)
    lock.acquire()
    try:
        asyncio.run(schema.upgrade(config.archive))
    finally:
        lock.release()
    print(f"{config.archive_file} is up to date.")
