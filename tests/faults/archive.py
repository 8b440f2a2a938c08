"""Read the archive of a stopped `serve` as plain SQLite, without changing it."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID


@contextmanager
def copy_of(archive: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy with its WAL; opening the original would check-point it."""
    with TemporaryDirectory(dir=archive.parent) as folder:
        for file in (archive, archive.with_name(archive.name + "-wal")):
            if file.exists():
                shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder) / archive.name)) as connection:
            yield connection


def ids(connection: sqlite3.Connection, query: str) -> list[str]:
    """Return the first column of the rows of `query`, as UUIDs."""
    return [str(UUID(bytes=row[0])) for row in connection.execute(query)]
