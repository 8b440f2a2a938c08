"""Hold commits back in a test."""

import asyncio
import sqlite3
from typing import Any

import pytest

from flashnotify.archive.sqlite import transactions


class Gates:
    """Holds each commit while closed, once before SQLite makes it and once after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.before = asyncio.Event()
        self.after = asyncio.Event()
        self.arrived = asyncio.Event()
        self.done = asyncio.Event()
        self.pragmas: dict[str, Any] = {}
        self.open()
        self._commit = transactions._commit
        self._loop = asyncio.get_running_loop()
        monkeypatch.setattr(transactions, "_commit", self._hold)

    def open(self) -> None:
        self.before.set()
        self.after.set()

    def close(self) -> None:
        for gate in (self.before, self.after, self.arrived, self.done):
            gate.clear()

    def _hold(self, connection: sqlite3.Connection) -> None:
        """Commit in the thread of the connection, as the gates allow."""
        for pragma in ("journal_mode", "synchronous"):
            self.pragmas[pragma] = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        self._pass(self.arrived, self.before)
        self._commit(connection)
        self._pass(self.done, self.after)

    def _pass(self, reached: asyncio.Event, gate: asyncio.Event) -> None:
        async def passed() -> None:
            reached.set()
            await gate.wait()

        asyncio.run_coroutine_threadsafe(passed(), self._loop).result()
