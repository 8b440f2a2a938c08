"""The migrations create the tables that the models declare."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine

from flashnotify.archive import migration, schema
from flashnotify.archive.models import Base
from flashnotify.archive.sqlite.engine import archive_url


def differences(file: Path) -> list[object]:
    """Return what Alembic would change to match the models."""
    engine = create_engine(f"sqlite:///{file}")
    try:
        with engine.connect() as connection:
            return list(_compare(connection))
    finally:
        engine.dispose()


def _compare(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(
        compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)
    )


def definitions(file: Path) -> dict[str, str]:
    """Return the SQL of each table and index, by name."""
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master "
            "WHERE type <> 'trigger' AND sql IS NOT NULL AND name <> 'alembic_version'"
        ).fetchall()
    return {name: " ".join(sql.replace('"', "").split()) for name, sql in rows}


# The other test compares the index of an expression.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based")
def test_alembic_finds_nothing_to_change(migrated: Path) -> None:
    assert differences(migrated) == []


def test_indexes_and_tables_are_those_of_the_models(migrated: Path, tmp_path: Path) -> None:
    """Alembic compares neither partial indexes, expressions in them, nor tables without a rowid."""
    engine = create_engine(f"sqlite:///{tmp_path}/models.db")
    Base.metadata.create_all(engine)
    engine.dispose()
    models, migrations = definitions(tmp_path / "models.db"), definitions(migrated)
    assert set(models) == set(migrations)
    for name, sql in models.items():
        if name.startswith("ix_"):
            assert sql == migrations[name]
        assert sql.endswith("WITHOUT ROWID") == migrations[name].endswith("WITHOUT ROWID"), name
    partial = {name for name, sql in migrations.items() if " WHERE " in sql}
    assert partial == {
        "ix_deliveries_queued",
        "ix_deliveries_user",
        "ix_devices_user",
        "ix_inbox_unread",
        "ix_jobs_held",
        "ix_jobs_ready",
        "ix_jobs_waiting",
        "ix_notifications_outcome",
        "ix_notifications_reference",
        "ix_notifications_unfinished",
    }


async def test_upgrading_again_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "not" / "yet" / "there" / "archive.db"
    url = archive_url(f"sqlite:///{file}")
    await schema.upgrade(url)
    before = definitions(file)
    await schema.upgrade(url)
    assert definitions(file) == before


def test_the_newest_version_is_that_of_the_last_migration() -> None:
    assert schema.newest() == migration.revisions()[0]
