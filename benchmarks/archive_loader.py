"""Archives with many deliveries, written without the service."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.archive_rows import Rows, archived, delivery, notification, uuid
from benchmarks.processes import python
from benchmarks.server import archive

_RECIPIENTS, _BATCH = 10_000, 200
_KIND, _CHANNEL = "security", "sms"


def load(folder: Path, deliveries: int) -> None:
    """Create an archive in a folder with so many deliveries that are over."""
    with _created(folder) as connection:
        for rows in archived(deliveries):
            _insert(connection, rows)


def queue(folder: Path, deliveries: int) -> None:
    """Create an archive in a folder with so many `low` SMS that are due."""
    now = int(time.time() * 1000)
    waiting = {"channel": _CHANNEL, "priority": 0, "reason": "due", "number": deliveries}
    with _created(folder) as connection:
        for first in range(0, deliveries, _RECIPIENTS):
            at = now - deliveries + first
            _insert(connection, _queued(at, first, min(_RECIPIENTS, deliveries - first)))
        _insert(connection, {"waiting": [waiting]})


def _queued(at: int, first: int, number: int) -> Rows:
    """Return a notification to many, with a job for each batch."""
    id, batches = uuid(at, 0), range(-(-number // _BATCH))
    of = {"kind": _KIND, "priority": 0}
    unfinished = {"status": "sending", "pending": number}
    due = {"notification_id": id, "channel": _CHANNEL, "priority": 0, "due_at": at}
    queued = {"kind": _KIND, "channel": _CHANNEL, "status": "queued"}
    count = {"notification_id": id, "channel": _CHANNEL, "status": "queued"}
    return {
        "notifications": [notification(id, at, number) | of | unfinished],
        "jobs": [due | {"id": uuid(at, 1 + n), "turn": n, "ordinal": n} for n in batches],
        "deliveries": [
            delivery(uuid(at + 1 + n // 4096, n % 4096), id, uuid(at, 1 + n // _BATCH), at)
            | {**queued, "address": f"+336{first + n:08d}"}
            for n in range(number)
        ],
        "counts": [count | {"deliveries": number}],
    }


def _insert(connection: sqlite3.Connection, rows: Rows) -> None:
    for table, found in rows.items():
        names = found[0].keys() if found else ()
        connection.executemany(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES (:{', :'.join(names)})", found
        )
    connection.commit()


@contextmanager
def _created(folder: Path) -> Iterator[sqlite3.Connection]:
    """Create an archive, and return a connection that neither waits for the disk nor has triggers.

    What the triggers would write is among the rows. Indexes are made in the end, which takes less.
    """
    environment = {**os.environ, **archive(folder)}
    subprocess.run(
        python("flashnotify", "migrate"),
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with closing(sqlite3.connect(folder / "archive.db")) as connection:
        for setting in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-200000"):
            connection.execute(f"PRAGMA {setting}")
        kept = _triggers_and_indexes(connection)
        for type, name, _ in kept:
            connection.execute(f"DROP {type} {name}")
        yield connection
        for _, _, sql in kept:
            connection.execute(sql)
        connection.commit()


def _triggers_and_indexes(connection: sqlite3.Connection) -> Sequence[tuple[str, str, str]]:
    return connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql <> ''"
    ).fetchall()
