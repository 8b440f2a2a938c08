"""The archive of a `serve` that has ended, read as plain SQLite and left as it is."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID


@contextmanager
def copy_of(archive: Path) -> Iterator[sqlite3.Connection]:
    """A copy as it is on disk, log and all: opening the original would tidy it up."""
    with TemporaryDirectory(dir=archive.parent) as folder:
        for file in (archive, archive.with_name(archive.name + "-wal")):
            if file.exists():
                shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder) / archive.name)) as connection:
            yield connection


def ids(connection: sqlite3.Connection, query: str) -> list[str]:
    """The first column of what `query` finds, as UUIDs."""
    return [str(UUID(bytes=row[0])) for row in connection.execute(query)]
