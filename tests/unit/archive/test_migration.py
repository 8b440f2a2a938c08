"""An archive of an earlier version is migrated with its backlog."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from flashnotify.archive import schema
from flashnotify.archive.records import DeliveryFilter, NotificationFilter
from flashnotify.archive.sqlite.engine import archive_url
from flashnotify.domain import Job, Lane, NotificationStatus, Outcome, Priority
from tests.support.archives import Archive, opened
from tests.support.manual_clock import ManualClock

# Made by version 0001 at 09:01 on 24 November 2026, after an hour of a mail server that is down.
DUMP = Path(__file__).with_name("archive_0001.sql")
NOW = 1_795_510_860_000
HOUR = 3_600_000


@pytest.fixture
async def old(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Archive]:
    """The archive of version 0001, migrated and opened."""
    async with migrated_from(DUMP, tmp_path, clock) as archive:
        yield archive


@pytest.fixture
async def of_0002(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Archive]:
    """The archive of version 0002, migrated and opened."""
    async with migrated_from(DUMP.with_name("archive_0002.sql"), tmp_path, clock) as archive:
        yield archive


@asynccontextmanager
async def migrated_from(dump: Path, folder: Path, clock: ManualClock) -> AsyncIterator[Archive]:
    file = folder / "archive.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(dump.read_text())
    await schema.upgrade(archive_url(f"sqlite:///{file}"))
    async with opened(file, clock) as archive:
        yield archive


async def titled(archive: Archive, jobs: list[Job]) -> list[tuple[str, int]]:
    """Return the titles of the jobs' notifications, each with its job's ordinal."""
    found = []
    for job in jobs:
        notification = await archive.ports.notifications.find(job.notification_id)
        assert notification is not None
        found.append((notification.title, job.ordinal))
    return sorted(found)


async def waited(archive: Archive, lane: Lane, now: int) -> list[tuple[str, int]]:
    jobs = [found.job for found in await archive.ports.jobs.waited(lane, now, None, 99)]
    assert {job.lane for job in jobs} <= {lane}
    assert all(job.turn is None for job in jobs)
    return await titled(archive, jobs)


async def test_every_job_waits_in_its_lane(old: Archive) -> None:
    low, critical = Priority.low, Priority.critical
    assert await waited(old, Lane(None, low), NOW) == [
        ("Half fanned out", 0),
        ("Once", 0),
        ("Queued", 0),
    ]
    assert ("Scheduled", 0) in await waited(old, Lane(None, low), NOW + HOUR)
    assert await old.ports.jobs.next_due(Lane(None, low), NOW) == NOW + HOUR
    assert await waited(old, Lane(None, critical), NOW) == [("Urgent and queued", 0)]
    assert await waited(old, Lane("email", low), NOW) == [
        ("Cancelled", 0),
        ("Cancelled", 1),
        ("Fanned out", 0),
        ("Fanned out", 1),
        ("Fanned out", 2),
        ("Half fanned out", 0),
        ("Half fanned out", 1),
        ("Retrying", 0),
        ("Retrying", 1),
        ("Retrying", 2),
    ]
    assert await waited(old, Lane("email", critical), NOW) == [("Urgent and retrying", 0)]
    assert await old.ports.jobs.channels() == {"email"}
    for channel in (None, "email"):
        for priority in Priority:
            assert await old.ports.jobs.ready(Lane(channel, priority), None, 9) == []
    assert old.one("SELECT count(*) FROM jobs") == 16


async def test_ordinals_follow_the_order_of_the_batches(old: Archive) -> None:
    rows = old.rows("SELECT hex(notification_id), channel, ordinal FROM jobs ORDER BY id")
    by_lane: dict[tuple[str, str], list[int]] = {}
    for notification, channel, ordinal in rows:
        by_lane.setdefault((notification, channel), []).append(ordinal)
    assert all(found == list(range(len(found))) for found in by_lane.values())


async def test_the_records_are_read_as_they_were_written(old: Archive) -> None:
    half = [
        found.job
        for found in await old.ports.jobs.waited(Lane(None, Priority.low), NOW, None, 99)
        if await titled(old, [found.job]) == [("Half fanned out", 0)]
    ]
    notification = await old.ports.notifications.find(half[0].notification_id)
    assert notification is not None
    assert (notification.status, notification.fanned_out) == (NotificationStatus.sending, 4)
    assert [str(uri).partition(":")[2] for uri in notification.audience[3:5]] == [
        "half3@univ.example",
        "half4@univ.example",
    ]
    page = await old.ports.deliveries.page(DeliveryFilter(notification.id), limit=9, cursor=None)
    assert len(page.items) == 4
    answer = await old.ports.notifications.idempotent_answer("local", "a-key")
    assert answer is not None
    assert answer.status is NotificationStatus.queued
    [key] = await old.ports.api_keys.all()
    assert key.scopes == {"notify:academic"}
    devices = await old.ports.devices.page(limit=9, cursor=None)
    assert [device.label for device in devices.items] == ["Ada"]


async def test_the_tables_are_those_of_a_new_archive(old: Archive, migrated: Path) -> None:
    columns = "SELECT name, type, \"notnull\", dflt_value FROM pragma_table_info('jobs')"
    indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' ORDER BY name"
    with closing(sqlite3.connect(migrated)) as new:
        for query in (columns, indexes):
            assert old.rows(query) == new.execute(query).fetchall()


async def test_what_lists_filter_by_is_filled_in(of_0002: Archive) -> None:
    async def found(**wanted: str) -> list[tuple[str, str]]:
        which = DeliveryFilter(**wanted)  # type: ignore[arg-type]  # as each case says
        page = await of_0002.ports.deliveries.page(which, limit=99, cursor=None)
        return [(delivery.kind, delivery.address) for delivery in page.items]

    ada = [("security", "Ada@univ.example"), ("academic", "ada@univ.example")]
    assert await found(to="ada@univ.example") == ada
    assert await found(kind="weather") == [
        ("weather", "+33612345679"),
        ("weather", "+33612345678"),
    ]
    page = await of_0002.ports.notifications.page(NotificationFilter(), limit=99, cursor=None)
    recipients = {item.title: item.recipients for item in page.items}
    assert recipients["Retrying"] == 3
    assert recipients["Scheduled"] == 1
    outcomes = {item.title: item.outcome for item in page.items if item.outcome}
    assert outcomes == {
        "All sent": Outcome.all_sent,
        "Partly expired": Outcome.all_sent,
        "Expired": Outcome.none,
        "Quiet hours": Outcome.all_sent,
    }


async def test_what_waits_is_counted(of_0002: Archive) -> None:
    found = await of_0002.ports.statistics.waiting()
    assert {(held.lane.channel, held.reason.value): held.number for held in found} == {
        (None, "scheduled"): 1,
        ("email", "breaker_open"): 8,
        ("email", "retrying"): 1,
        ("sms", "quiet_hours"): 4,
    }
