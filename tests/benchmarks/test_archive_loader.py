"""The archives that benchmarks load are as the service would have written them."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import archive_loader

# What the writer counts, beside the rows that it counts.
COUNTS = {
    "counts": (
        "SELECT notification_id, channel, status, deliveries FROM counts",
        "SELECT notification_id, channel, status, count(*) FROM deliveries GROUP BY 1, 2, 3",
    ),
    "totals": (
        "SELECT kind, channel, status, sum(number) FROM totals WHERE channel <> '' "
        "GROUP BY 1, 2, 3",
        "SELECT kind, channel, status, count(*) FROM deliveries WHERE status <> 'queued' "
        "GROUP BY 1, 2, 3",
    ),
    "waiting": (
        "SELECT channel, priority, reason, number FROM waiting",
        "SELECT j.channel, j.priority, j.waiting, count(*) FROM jobs j "
        "JOIN deliveries d ON d.job_id = j.id WHERE d.status = 'queued' GROUP BY 1, 2, 3",
    ),
    "pending": (
        "SELECT id, pending FROM notifications WHERE pending > 0",
        "SELECT notification_id, count(*) FROM deliveries WHERE status = 'queued' GROUP BY 1",
    ),
}


@pytest.mark.parametrize("write", [archive_loader.load, archive_loader.queue])
def test_counters_agree_with_the_rows(tmp_path: Path, write: Callable[[Path, int], None]) -> None:
    write(tmp_path, 1000)
    with closing(sqlite3.connect(tmp_path / "archive.db")) as archive:
        assert archive.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert archive.execute("PRAGMA foreign_key_check").fetchall() == []
        assert archive.execute("SELECT count(*) FROM deliveries").fetchone() == (1000,)
        for name, (kept, counted) in COUNTS.items():
            found = [sorted(archive.execute(query)) for query in (kept, counted)]
            assert found[0] == found[1], name
