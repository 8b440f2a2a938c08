"""Reads of jobs use the index of their lane."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from flashnotify.archive.ports import Jobs
from flashnotify.domain import Lane, Priority
from tests.support.archives import Archive

NIL = UUID(int=0)


@pytest.mark.parametrize("channel", ["email", None])
@pytest.mark.parametrize(
    ("index", "ask"),
    [
        ("ix_jobs_ready", lambda jobs, lane: jobs.ready(lane, None, 9)),
        ("ix_jobs_ready", lambda jobs, lane: jobs.ready(lane, (4, NIL), 9)),
        ("ix_jobs_waiting", lambda jobs, lane: jobs.waited(lane, 5, None, 9)),
        ("ix_jobs_waiting", lambda jobs, lane: jobs.waited(lane, 5, (4, NIL), 9)),
        ("ix_jobs_waiting", lambda jobs, lane: jobs.next_due(lane, 5)),
        ("ix_jobs_oldest", lambda jobs, lane: jobs.oldest_due([lane])),
    ],
)
async def test_reads_of_a_lane_use_its_index(
    archive: Archive,
    channel: str | None,
    index: str,
    ask: Callable[[Jobs, Lane], Awaitable[Any]],
) -> None:
    asked = note_queries(archive)
    await ask(archive.ports.jobs, Lane(channel, Priority.high))
    [(query, values)] = asked
    with closing(sqlite3.connect(archive.file)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
    steps = [step[3] for step in plan]
    searches = [step for step in steps if step.startswith("SEARCH")]
    assert len(searches) == 1
    # With both columns of the lane, and without sorting.
    assert index in searches[0]
    assert "(channel=? AND priority=?" in searches[0]
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in steps)


async def test_the_oldest_jobs_of_all_lanes_take_one_read(archive: Archive) -> None:
    asked = note_queries(archive)
    await archive.ports.jobs.oldest_due([Lane("email", priority) for priority in Priority])
    assert len(asked) == 1


def note_queries(archive: Archive) -> list[tuple[str, Any]]:
    """Return a list that gets all queries from now on, with their values."""
    asked: list[tuple[str, Any]] = []
    event.listen(
        archive.engines[0].sync_engine,
        "before_cursor_execute",
        lambda *arguments: asked.append((arguments[2], arguments[3])),
    )
    return asked
