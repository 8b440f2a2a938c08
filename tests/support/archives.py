"""An archive without a service, and rows to put into it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from flashnotify.archive import schema
from flashnotify.archive.sql.changes import Change
from flashnotify.archive.sql.jobs import ADD_JOB
from flashnotify.archive.sql.notifications import ADD_NOTIFICATION, _row
from flashnotify.archive.sql_archive import SqlArchive
from flashnotify.archive.sqlite.engine import archive_url, open_readers, open_writer
from flashnotify.archive.sqlite.transactions import SqliteTransactions
from flashnotify.archive.writer import Writer
from flashnotify.domain import (
    Job,
    Priority,
)
from flashnotify.ids import UUIDv7
from tests.support import database_threads
from tests.support.manual_clock import ManualClock
from tests.support.records import Records


@cache
def empty_archive() -> bytes:
    """Return the file of an empty archive with all migrations applied, made once a process."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "archive.db"
        asyncio.run(schema.upgrade(archive_url(f"sqlite:///{file}")))
        return file.read_bytes()


class Archive:
    """An open archive. `commits` counts those of its writer."""

    def __init__(self, file: Path, clock: ManualClock, **options: Any) -> None:
        self.file = file
        self.clock = clock
        self.ids = UUIDv7(clock.now)
        self.engines = (open_readers(archive_url(f"sqlite:///{file}")), open_writer(self._url))
        self.writer = Writer(SqliteTransactions(self.engines[1]), clock, **options)
        self.ports = SqlArchive(self.engines[0], self.engines[0], self.writer)
        self.commits = 0
        self.writing: asyncio.Task[None] | None = None
        self.writer.when_committed(self._committed)

    @property
    def _url(self) -> Any:
        return archive_url(f"sqlite:///{self.file}")

    def _committed(self) -> None:
        self.commits += 1

    def start(self) -> None:
        """Start the writer."""
        self.writing = asyncio.create_task(self.writer.run())

    async def close(self) -> None:
        """Stop the writer, and close the file."""
        self.writer.close()
        if self.writing is not None:
            await asyncio.wait({self.writing})
        await self.ports.close()
        await self.engines[1].dispose()
        await database_threads.ended()

    def rows(self, sql: str) -> list[Any]:
        """Return what a separate connection reads: only committed rows."""
        connection = sqlite3.connect(self.file)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def change(self, sql: str, *values: Any) -> None:
        """Write directly to the file while the writer is idle."""
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(sql, values)

    def one(self, sql: str) -> Any:
        """Return the only value that `sql` finds."""
        ((value,),) = self.rows(sql)
        return value

    def notification(self, to: Iterable[str] = ("mailto:a@univ.example",), **more: Any) -> Change:
        """Return the insert of an academic notification."""
        records = Records(self.ports, self.clock.now)
        row = _row(records.notification(id=self.ids(), audience=list(to)))
        return ADD_NOTIFICATION, row | more

    def job(self, notification: UUID, due: int, **more: Any) -> Change:
        """Return the insert of a job."""
        row = {
            "id": self.ids(),
            "notification_id": notification,
            "channel": None,
            "priority": int(Priority.low),
            "due_at": due,
            "turn": None,
            "ordinal": 0,
            "reason": None,
            "waiting": "due",
        }
        return ADD_JOB, row | more

    async def accepted(
        self, due: int | None = None, priority: Priority = Priority.low, **more: Any
    ) -> Job:
        """Store a notification with its job, and return the job."""
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
