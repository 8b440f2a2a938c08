"""The version of the archive's tables: upgrades are needed only if it is not the newest."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from flashnotify.archive.sqlite.engine import archive_file
from flashnotify.archive.sqlite.inspection import open_read_only, revision


def migrations_folder() -> Path:
    """Return the folder of the migrations: in an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent.parent / "migrations"


def newest() -> str:
    """Return the revision of the tables that this version uses: its migration's number."""
    return max(file.name.partition("_")[0] for file in migrations_folder().glob("versions/*.py"))


async def upgrade(url: URL) -> None:
    """Create or upgrade the tables, unless they are of this version.

    Raises:
        SettingsError: the file is not an archive or cannot be opened.
        ArchiveOutdated: its tables are of a later version.
    """
    if await asyncio.to_thread(_is_current, archive_file(url)):
        return
    from flashnotify.archive import migration  # noqa: PLC0415  # takes a tenth of a start

    await migration.upgrade(url)


def _is_current(file: Path) -> bool:
    try:
        with closing(open_read_only(file)) as archive:
            return revision(archive) == newest()
    except sqlite3.Error:
        # There is none, or the upgrade says what is wrong with it.
        return False
