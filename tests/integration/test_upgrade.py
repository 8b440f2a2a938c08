"""This version delivers the backlog of an archive of the first version."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.eventually import eventually
from tests.support.manual_clock import ManualClock
from tests.support.running import running

# Made by version 0001 at 09:01 on 24 November 2026, after an hour of a mail server that is down.
DUMP = Path(__file__).parents[1] / "unit" / "archive" / "archive_0001.sql"
NOW = 1_795_510_860_000


def rows(file: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(sql).fetchall()


async def test_a_backlog_of_the_first_version_is_delivered() -> None:
    service = Service(ServiceConfig(), ManualClock(NOW))
    file = service.config.archive_file
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(DUMP.read_text())
    unfinished = rows(file, "SELECT count(*) FROM jobs")
    assert unfinished == [(16,)]
    entries = rows(file, "SELECT sum(json_array_length(audience)) FROM notifications")
    async with running(service) as started:
        assert isinstance(service.clock, ManualClock)
        # Beyond the last retry and the last `send_at`.
        await service.clock.advance(2 * 3600)
        await eventually(lambda: rows(file, "SELECT count(*) FROM jobs") == [(0,)])
        page = await started.get("/v1/notifications", limit=200)
        assert {item["status"] for item in page["items"]} == {"completed", "cancelled"}
    assert rows(file, "SELECT count(*) FROM deliveries") == entries
    assert rows(file, "SELECT DISTINCT status FROM deliveries ORDER BY 1") == [
        ("cancelled",),
        ("sent",),
    ]
    assert rows(file, "SELECT DISTINCT pending FROM notifications WHERE status = 'completed'") == [
        (0,)
    ]
    # Each message went out once.
    assert rows(file, "SELECT count(*), count(DISTINCT delivery_id) FROM outbox") == rows(
        file, "SELECT count(*), count(*) FROM deliveries WHERE status = 'sent'"
    )
