"""Hold commits back in a test."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.util import await_only

from flashnotify.app import Service


class Gates:
    """Holds each commit while closed, once before SQLite makes it and once after."""

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.before = asyncio.Event()
        self.after = asyncio.Event()
        self.arrived = asyncio.Event()
        self.done = asyncio.Event()
        self.pragmas: dict[str, Any] = {}
        self.open()
        dialect = service.writer._engine.sync_engine.dialect
        self._commit = dialect.do_commit
        monkeypatch.setattr(dialect, "do_commit", self._do_commit)

    def open(self) -> None:
        self.before.set()
        self.after.set()

    def close(self) -> None:
        for gate in (self.before, self.after, self.arrived, self.done):
            gate.clear()

    def _do_commit(self, connection: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode", "synchronous"):
            cursor.execute(f"PRAGMA {pragma}")
            self.pragmas[pragma] = cursor.fetchone()[0]
        cursor.close()
        self.arrived.set()
        await_only(self.before.wait())
        self._commit(connection)
        self.done.set()
        await_only(self.after.wait())
