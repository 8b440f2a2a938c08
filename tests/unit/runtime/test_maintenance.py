"""What is forgotten, and that it goes in slices: no write of it removes many rows."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from flashnotify.archive.models import Attempt, Delivery, Event, OutboxMessage
from flashnotify.archive.writes.statements import (
    ADD_ATTEMPT,
    ADD_COUNT,
    ADD_DELIVERY,
    ADD_IDEMPOTENCY_KEY,
    ADD_LATENCY,
    ADD_OUTBOX_MESSAGE,
    ADD_TOTAL,
)
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.domain import AttemptOutcome
from flashnotify.meta.descriptors import Priority
from flashnotify.meta.metaclasses import Notifier
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec
from flashnotify.runtime.maintenance import EVENTS, SLICE, Retention
from flashnotify.telemetry.statistics import latency, total
from tests.support.archives import Archive
from tests.support.manual_clock import ManualClock

_DAY = 24 * 3600
TABLES = (
    "notifications", "jobs", "deliveries", "attempts", "counts", "outbox", "events", "totals",
    "latencies", "idempotency_keys",
)  # fmt: skip


@pytest.fixture
def retention(archive: Archive, clock: ManualClock, kinds: Registry[NotifierSpec]) -> Retention:
    class AcademicNotifier(EmailMixin, Notifier, registry=kinds):
        """Studies."""

        priority = Priority(default="low")
        retention = timedelta(days=10)

    return Retention(kinds, archive.reader, archive.writer, clock)


def sizes(archive: Archive) -> dict[str, int]:
    return {table: archive.one(f"SELECT count(*) FROM {table}") for table in TABLES}


async def slices(retention: Retention, archive: Archive) -> AsyncIterator[Mapping[str, int]]:
    """Forgets all there is to forget; for each slice, how many rows of which table it removed."""
    more = True
    while more:
        before = sizes(archive)
        more = await retention.forget_some()
        after = sizes(archive)
        yield {table: before[table] - after[table] for table in TABLES}


async def over(archive: Archive, deliveries: int, attempts: int = 1) -> None:
    """A notification that is completed now, with all that belongs to one."""
    now = archive.clock.now()
    notification = archive.notification(status="completed", completed_at=now)
    id = notification[1]["id"]
    changes = [notification]
    for number in range(deliveries):
        delivery = archive.ids()
        row: dict[str, Any] = {column.name: None for column in Delivery.__table__.columns}
        row |= {"id": delivery, "notification_id": id, "job_id": id, "channel": "email"}
        row |= {"address": f"{number}@univ.example", "status": "sent", "attempts": attempts}
        changes.append((ADD_DELIVERY, row | {"due_at": now, "updated_at": now}))
        row = {column.name: "x" for column in OutboxMessage.__table__.columns}
        row |= {"id": archive.ids(), "notification_id": id, "delivery_id": delivery}
        changes.append((ADD_OUTBOX_MESSAGE, row | {"captured_at": now}))
        for attempt in range(1, attempts + 1):
            row = {column.name: "x" for column in Attempt.__table__.columns}
            row |= {"delivery_id": delivery, "number": attempt, "at": now, "duration_ms": 1.0}
            changes.append((ADD_ATTEMPT, row))
    count = {"notification_id": id, "channel": "email", "status": "sent"}
    await archive.writer.write(*changes, (ADD_COUNT, count | {"deliveries": deliveries}))


async def test_a_notification_of_many_goes_in_slices(
    retention: Retention, archive: Archive, clock: ManualClock
) -> None:
    await over(archive, deliveries=3 * SLICE)
    await clock.advance(10 * _DAY - 1)
    assert not await retention.forget_some()
    await clock.advance(2)
    async for removed in slices(retention, archive):
        assert removed["outbox"] <= SLICE
        assert removed["deliveries"] + removed["attempts"] <= SLICE
    left = sizes(archive)
    assert left.pop("events") > 0
    assert not any(left.values())


async def test_attempts_count_too(
    retention: Retention, archive: Archive, clock: ManualClock
) -> None:
    """Some deliveries were tried for a day."""
    await over(archive, deliveries=20, attempts=SLICE // 8)
    await over(archive, deliveries=1, attempts=3 * SLICE)
    await clock.advance(11 * _DAY)
    async for removed in slices(retention, archive):
        assert removed["attempts"] <= SLICE or removed["deliveries"] == 1
    assert sizes(archive)["attempts"] == 0


async def test_what_is_not_over_stays(
    retention: Retention, archive: Archive, clock: ManualClock
) -> None:
    job = await archive.accepted()
    await clock.advance(400 * _DAY)
    await over(archive, deliveries=1)
    assert not await retention.forget_some()
    assert {row[0] for row in archive.rows("SELECT id FROM jobs")} == {job.id.bytes}
    assert sizes(archive)["notifications"] == 2


async def test_idempotency_keys_go_after_a_day_in_slices(
    retention: Retention, archive: Archive, clock: ManualClock
) -> None:
    row = {"caller": "a", "fingerprint": b"", "answer": "{}", "created_at": clock.now()}
    keys = [(ADD_IDEMPOTENCY_KEY, row | {"key": f"{n}"}) for n in range(2 * SLICE + 1)]
    await archive.writer.write(*keys)
    await clock.advance(_DAY)
    young = row | {"key": "young", "created_at": clock.now()}
    await archive.writer.write((ADD_IDEMPOTENCY_KEY, young))
    assert not await retention.forget_some()
    await clock.advance(0.001)
    removed = [found["idempotency_keys"] async for found in slices(retention, archive)]
    assert removed == [SLICE, SLICE, 1, 0]
    assert archive.one("SELECT key FROM idempotency_keys") == "young"


async def test_the_latest_events_stay(retention: Retention, archive: Archive) -> None:
    await archive.accepted()
    (event,) = archive.rows("SELECT * FROM events")
    columns = [column.name for column in Event.__table__.columns]
    row = dict(zip(columns, event, strict=True))
    first = row["id"]
    # As if there had been many since.
    archive.change("UPDATE events SET id = id + ?", EVENTS + SLICE)
    archive.change("UPDATE sqlite_sequence SET seq = seq + ?", EVENTS + SLICE)
    for number in range(3 * SLICE):
        row["id"] = first + number
        archive.change(f"INSERT INTO events VALUES ({', '.join('?' * len(row))})", *row.values())
    removed = [found["events"] async for found in slices(retention, archive)]
    assert removed == [SLICE, 1, 0]
    assert archive.one("SELECT min(id) FROM events") == first + SLICE + 1


async def test_statistics_go_a_day_or_an_hour_at_a_time(
    retention: Retention, archive: Archive, clock: ManualClock
) -> None:
    for _ in range(3):
        for minute in range(60):
            at = clock.now() + minute * 60_000
            tried = latency(at, "email", "smtp://a", AttemptOutcome.sent, 3.0)
            await archive.writer.write(
                (ADD_LATENCY, tried), (ADD_TOTAL, total(at, "academic", "email", "sent"))
            )
        await clock.advance(_DAY)
    await clock.advance(398 * _DAY)
    removed = [(f["totals"], f["latencies"]) async for f in slices(retention, archive)]
    assert removed == [(6, 0), (0, 60), (0, 60), (0, 60), (0, 0)]
