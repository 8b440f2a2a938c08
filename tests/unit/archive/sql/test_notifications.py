"""Accepting long audiences, and reading notifications with damaged JSON and long audiences."""

import asyncio

import pytest

from flashnotify.archive.records import FanOutSlice, NotificationFilter, ScheduledJob
from flashnotify.domain import Job, Priority
from tests.support.archives import Archive
from tests.support.records import Records


@pytest.mark.parametrize(
    ("column", "json"),
    [
        ("audience", '["mailto:a@univ'),
        ("audience", '[{"mailto": "a@univ.example"}]'),
        ("audience", "7"),
        ("data", ""),
        ("data", "[]"),
        ("channels", '{"email": true}'),
    ],
)
async def test_a_damaged_notification_is_found_and_listed_without_its_content(
    archive: Archive, column: str, json: str
) -> None:
    records = Records(archive.ports, archive.clock.now)
    damaged, _ = await records.accepted(title="Damaged")
    sound, _ = await records.accepted()
    archive.change(f"UPDATE notifications SET {column} = ? WHERE title = 'Damaged'", json)
    found = await archive.ports.notifications.find(damaged.id)
    assert found is not None
    assert (found.damaged, found.data) == (True, {})
    assert list(found.audience) == ([] if column == "audience" else list(damaged.audience))
    page = await archive.ports.notifications.page(NotificationFilter(), limit=9, cursor=None)
    assert [item.id for item in page.items] == [sound.id, damaged.id]
    assert page.items[0].data == sound.data
    assert page.items[1].data == ({} if column != "audience" else damaged.data)
    assert page.items[1].channels is None
    if column == "audience":
        assert await archive.ports.notifications.find(damaged.id, audience=False) is not None


async def test_an_api_key_whose_scopes_are_damaged_has_none(archive: Archive) -> None:
    archive.change(
        "INSERT INTO api_keys (id, name, secret_hmac, scopes, max_priority, created_at) VALUES"
        " ('a', 'Ada', x'00', 'read', 1, 5)"
    )
    found = await archive.ports.api_keys.find("a")
    assert found is not None
    assert found.scopes == frozenset()
    assert await archive.ports.api_keys.all() == [found]


@pytest.mark.parametrize(("people", "priority"), [(1, Priority.low), (50, Priority.critical)])
async def test_many_long_accepts_delay_neither_a_short_nor_an_urgent_one(
    archive: Archive, people: int, priority: Priority
) -> None:
    records = Records(archive.ports, archive.clock.now)

    async def accept(people: int, priority: Priority = Priority.low) -> None:
        notification = records.notification(audience=["mailto:a@x"] * people, priority=priority)
        batch = Job(records.id(), notification.id, priority, "email", turn=0)
        deliveries = [records.delivery(batch) for _ in range(people)]
        jobs = [ScheduledJob(batch, archive.clock.now())]
        planned = FanOutSlice(people, deliveries, jobs, finished=True)
        await archive.ports.notifications.accept(notification, planned, None)

    async with asyncio.TaskGroup() as long:
        for _ in range(50):
            long.create_task(accept(50))
        await asyncio.sleep(0)
        before = archive.commits
        await accept(people, priority)
        assert archive.commits == before + 1
        stored = archive.one("SELECT count(*) FROM notifications")
        assert 1 < stored < 51, "they get their share"
