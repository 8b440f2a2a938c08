"""How SQLite answers a list: the steps of its queries, as EXPLAIN QUERY PLAN tells them."""

import sqlite3
from collections.abc import Awaitable
from contextlib import closing
from typing import Any

from sqlalchemy import event

from tests.support.archives import Archive


async def steps_of(archive: Archive, table: str, read: Awaitable[Any]) -> set[str]:
    """Return the steps of a read that look into a table, but for rows whose id they know.

    Check that nothing is sorted.
    """
    asked: list[tuple[str, Any]] = []
    engine = archive.engines[0].sync_engine

    def note(*arguments: Any) -> None:
        asked.append((arguments[2], arguments[3]))

    event.listen(engine, "before_cursor_execute", note)
    await read
    event.remove(engine, "before_cursor_execute", note)
    with closing(sqlite3.connect(archive.file)) as connection:
        steps = {
            step[3]
            for query, values in asked
            for step in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)
        }
    assert not any("TEMP B-TREE" in step for step in steps)
    return {
        step
        for step in steps
        if f" {table} " in step and not step.endswith(("PRIMARY KEY (id=?)", f"{table}_1 (id=?)"))
    }
