"""Upgrades of the archive's tables by Alembic, whose import takes a tenth of a start."""

from collections.abc import Sequence

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DatabaseError

from flashnotify.archive.schema import migrations_folder
from flashnotify.archive.sqlite.engine import archive_file, open_writer
from flashnotify.archive.sqlite.location import EXAMPLE
from flashnotify.errors import ArchiveOutdated, SettingsError


async def upgrade(url: URL) -> None:
    """Create or upgrade the tables, in one transaction.

    Raises:
        SettingsError: the file is not an archive or cannot be opened.
        ArchiveOutdated: its tables are of a later version.
    """
    file = archive_file(url)
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = open_writer(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    except DatabaseError as error:
        raise SettingsError(
            f"FLASHNOTIFY_DATABASE_URL: {file} cannot be used: {error.orig}. {EXAMPLE}"
        ) from None
    except CommandError as error:
        raise ArchiveOutdated(
            f"{file} was written by a later version of flashnotify ({error}). "
            "Use the version that wrote it, or a later one."
        ) from None
    finally:
        await engine.dispose()


def revisions() -> Sequence[str]:
    """Return the revisions of the tables that this version knows, newest first."""
    return [script.revision for script in ScriptDirectory(migrations_folder()).walk_revisions()]


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
