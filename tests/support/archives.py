"""An archive without a service, and rows for it."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event

from flashnotify.archive.sql_archive import SqlArchive
from flashnotify.archive.sqlite.engine import archive_url, open_readers, open_writer
from flashnotify.archive.writer import Writer
from flashnotify.archive.writes.changes import Change
from flashnotify.archive.writes.jobs import ADD_JOB
from flashnotify.archive.writes.notifications import ADD_NOTIFICATION
from flashnotify.domain import (
    Job,
    Priority,
)
from flashnotify.ids import UUIDv7
from tests.support import database_threads
from tests.support.manual_clock import ManualClock


class Archive:
    """An open archive. `commits` counts those of its writer."""

    def __init__(self, file: Path, clock: ManualClock, **options: Any) -> None:
        self.file = file
        self.clock = clock
        self.ids = UUIDv7(clock.now)
        self.engines = (open_readers(archive_url(f"sqlite:///{file}")), open_writer(self._url))
        self.writer = Writer(self.engines[1], clock, **options)
        self.ports = SqlArchive(self.engines[0], self.engines[0], self.writer)
        self.commits = 0
        self.writing: asyncio.Task[None] | None = None
        event.listen(self.engines[1].sync_engine, "commit", self._committed)

    @property
    def _url(self) -> Any:
        return archive_url(f"sqlite:///{self.file}")

    def _committed(self, _connection: object) -> None:
        self.commits += 1

    def start(self) -> None:
        """Start the writer."""
        self.writing = asyncio.create_task(self.writer.run())

    async def close(self) -> None:
        """Stop the writer and close the file."""
        self.writer.close()
        if self.writing is not None:
            await asyncio.wait({self.writing})
        await self.ports.close()
        await self.engines[1].dispose()
        await database_threads.ended()

    def rows(self, sql: str) -> list[Any]:
        """Return the committed rows, read over a separate connection."""
        connection = sqlite3.connect(self.file)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def change(self, sql: str, *values: Any) -> None:
        """Change the file directly, while the writer is idle."""
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(sql, values)

    def one(self, sql: str) -> Any:
        """Return the only value of a query."""
        ((value,),) = self.rows(sql)
        return value

    def notification(self, to: Iterable[str] = ("mailto:a@univ.example",), **more: Any) -> Change:
        """Return the change that adds an academic notification."""
        row = {
            "id": self.ids(),
            "kind": "academic",
            "title": "Room changed",
            "body": "It is in B204.",
            "data": '{"course": "ALG-2"}',
            "audience": json.dumps(list(to)),
            "priority": int(Priority.low),
            "locale": "en",
            "sender": "local",
            "status": "queued",
            "accepted_at": self.clock.now(),
            "updated_at": self.clock.now(),
            "expanded": 0,
            "pending": 1,
            **dict.fromkeys(("channels", "send_at", "expires_at", "reference", "completed_at")),
        }
        return ADD_NOTIFICATION, row | more

    def job(self, notification: UUID, due: int, **more: Any) -> Change:
        """Return the change that adds a job of a notification."""
        row = {
            "id": self.ids(),
            "notification_id": notification,
            "channel": None,
            "priority": int(Priority.low),
            "due_at": due,
            "turn": None,
            "ordinal": 0,
            "reason": None,
        }
        return ADD_JOB, row | more

    async def accepted(
        self, due: int | None = None, priority: Priority = Priority.low, **more: Any
    ) -> Job:
        """Store a notification, and return its fan-out job."""
        notification = self.notification(priority=int(priority), **more)
        id = notification[1]["id"]
        due = self.clock.now() if due is None else due
        job = self.job(id, due, priority=int(priority))
        await self.writer.write(notification, job)
        return Job(job[1]["id"], id, priority)


@asynccontextmanager
async def opened(file: Path, clock: ManualClock, **options: Any) -> AsyncIterator[Archive]:
    """Open the archive in `file`; `options` are the writer's."""
    archive = Archive(file, clock, **options)
    archive.start()
    try:
        yield archive
    finally:
        await archive.close()
