"""Insert rows with nothing but sqlite3: `… raw_sqlite ARCHIVE NOTIFICATIONS TRANSACTIONS`.

The rows are those that FlashNotify has written into ARCHIVE, into the same tables and indexes.
"""

import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_TABLES = ("notifications", "jobs", "events")
_Rows = Mapping[str, Sequence[tuple[Any, ...]]]


def _read(archive: str, limit: int) -> tuple[str, _Rows]:
    """Return the schema without triggers, and the first rows of each table."""
    connection = sqlite3.connect(f"file:{archive}?mode=ro", uri=True)
    schema = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type <> 'trigger' AND sql IS NOT NULL "
        "AND name NOT LIKE 'sqlite_%' ORDER BY rootpage"
    ).fetchall()
    rows = {
        table: connection.execute(f"SELECT * FROM {table} LIMIT ?", (limit,)).fetchall()
        for table in _TABLES
    }
    return ";".join(sql for (sql,) in schema), rows


def _insert(connection: sqlite3.Connection, rows: _Rows, size: int, transactions: int) -> None:
    for start in range(0, size * transactions, size):
        connection.execute("BEGIN IMMEDIATE")
        for table, found in rows.items():
            values = ", ".join("?" * len(found[0]))
            connection.executemany(
                f"INSERT INTO {table} VALUES ({values})", found[start : start + size]
            )
        connection.execute("COMMIT")


def main() -> None:
    """Insert, and print how long it took."""
    archive, size, transactions = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    schema, rows = _read(archive, size * transactions)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        connection = sqlite3.connect(Path(folder) / "raw.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(schema)
        began, cpu = time.perf_counter(), time.process_time()
        _insert(connection, rows, size, transactions)
        took = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(took))


if __name__ == "__main__":
    main()
