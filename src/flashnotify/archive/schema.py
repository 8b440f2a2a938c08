"""Brings the archive's tables to this version, by the Alembic migrations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection

from flashnotify.archive.engine import archive_file, open_writer


def migrations_folder() -> Path:
    """Where the migrations are: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent.parent / "migrations"


async def upgrade(url: URL) -> None:
    """Create or upgrade the tables, in one transaction."""
    archive_file(url).parent.mkdir(parents=True, exist_ok=True)
    engine = open_writer(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def revisions() -> Sequence[str]:
    """The revisions of the tables that this version knows, newest first."""
    return [script.revision for script in ScriptDirectory(migrations_folder()).walk_revisions()]


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
