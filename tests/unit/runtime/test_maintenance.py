"""Purges: what goes when, in slices, and that a refused one ends nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from flashnotify.archive.records import (
    Event,
    IdempotencyRecord,
    Notification,
    ScheduledJob,
)
from flashnotify.archive.windows import WINDOWS, Window
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.domain import Job, NotificationStatus, Priority
from flashnotify.errors import Unavailable, WriteRefused
from flashnotify.ids import UUIDv7
from flashnotify.meta import Notifier, descriptors
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec
from flashnotify.runtime.maintenance import KEEP_EVENTS, SLICE, Maintenance
from tests.support.delivering import Delivering
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive

DAY = 24 * 3600
KINDS: Registry[NotifierSpec] = Registry("kind")


class AcademicNotifier(EmailMixin, Notifier, registry=KINDS):
    """Studies."""

    priority = descriptors.Priority(default="low")
    retention = timedelta(days=10)


class SecurityNotifier(EmailMixin, Notifier, registry=KINDS):
    """Danger."""

    priority = descriptors.Priority(default="low")


class Kept:
    """An archive, and the purges over it."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.archive = MemoryArchive()
        self.ids = UUIDv7(clock.now)
        self.maintenance = Maintenance(KINDS, self.archive.maintenance, clock)

    def notification(self, kind: str, *, over: bool = True) -> UUID:
        """Store a notification of a kind, completed now."""
        id, now = self.ids(), self.clock.now()
        status = NotificationStatus.completed if over else NotificationStatus.sending
        self.archive.state.notifications[id] = Notification(
            id, kind, "", "", {}, (), Priority.low, None, "en", None, None, None, "local",
            status, now, now, now if over else None,
        )  # fmt: skip
        return id

    def answer(self, key: str) -> None:
        """Store an answer for an idempotency key, given now."""
        self.archive.state.answers["a", key] = IdempotencyRecord(
            "a", key, b"", UUID(int=1), NotificationStatus.queued, self.clock.now()
        )

    def keys(self) -> list[str]:
        """Return the idempotency keys that are left."""
        return [key for _, key in self.archive.state.answers]

    def kinds(self) -> list[str]:
        """Return the kinds of the notifications that are left."""
        return sorted(n.kind for n in self.archive.state.notifications.values())

    async def purge(self) -> list[str]:
        """Purge everything there is to purge; return the purges that removed something."""
        self.archive.writes.clear()
        await self.maintenance.purge()
        prefix = "maintenance.purge_"
        writes = [write for write in self.archive.writes if "coarsen" not in write]
        return [write.removeprefix(prefix) for write in writes]


@pytest.fixture
def kept(clock: ManualClock) -> Kept:
    return Kept(clock)


@pytest.fixture
async def running(kept: Kept) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(kept.maintenance.run())
    yield task
    task.cancel()
    await asyncio.wait({task})


async def settle() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def purges_after_a_millisecond(kept: Kept, clock: ManualClock) -> None:
    assert await kept.purge() == []
    await clock.advance(0.001)
    assert await kept.purge() == ["notifications"]


async def test_each_kind_is_kept_as_long_as_it_says(kept: Kept, clock: ManualClock) -> None:
    kept.notification("academic")
    kept.notification("security")
    await clock.advance(10 * DAY)
    await purges_after_a_millisecond(kept, clock)
    assert kept.kinds() == ["security"]
    await clock.advance(355 * DAY)
    assert await kept.purge() == ["notifications"]
    assert kept.kinds() == []


async def test_nothing_is_purged_while_the_clock_is_in_doubt(
    kept: Kept, clock: ManualClock
) -> None:
    kept.notification("academic")
    clock.step(400 * DAY)
    clock.doubted = True
    await kept.maintenance.purge()
    assert kept.archive.writes == []
    clock.doubted = False
    await kept.maintenance.purge()
    assert kept.archive.state.notifications == {}


async def test_a_kind_that_is_no_longer_declared_is_kept_for_the_default_time(
    kept: Kept, clock: ManualClock
) -> None:
    kept.notification("gone")
    kept.notification("gone, too")
    await clock.advance(365 * DAY)
    await purges_after_a_millisecond(kept, clock)
    assert kept.kinds() == []


async def test_a_notification_that_is_not_over_stays(kept: Kept, clock: ManualClock) -> None:
    for kind in ("academic", "gone"):
        kept.notification(kind, over=False)
    await clock.advance(400 * DAY)
    assert await kept.purge() == []
    assert kept.kinds() == ["academic", "gone"]


async def test_a_notification_of_many_goes_in_slices(clock: ManualClock) -> None:
    """With its deliveries, its attempts and what was captured of it."""
    delivering = Delivering(clock)
    jobs = await delivering.batches(*(f"mailto:a{n}@univ.example" for n in range(3 * SLICE)))
    for job in jobs:
        await delivering.execute(job)
    state = delivering.archive.state
    assert len(state.attempts) == 3 * SLICE
    kept = Kept(clock)
    kept.archive = delivering.archive
    kept.maintenance = Maintenance(KINDS, delivering.archive.maintenance, clock)
    await clock.advance(364 * DAY)
    assert "notifications" not in await kept.purge()
    await clock.advance(2 * DAY)
    left: list[int] = []
    state.on_commit.append(lambda: left.append(len(state.deliveries)))
    await kept.maintenance.purge()
    assert left[:3] == [2 * SLICE, SLICE, 0]
    assert (state.notifications, state.deliveries, state.attempts, state.counts) == ({}, {}, {}, {})


async def test_idempotency_keys_go_after_a_day_in_slices(kept: Kept, clock: ManualClock) -> None:
    for number in range(2 * SLICE + 1):
        kept.answer(f"{number}")
    await clock.advance(DAY)
    kept.answer("young")
    assert await kept.purge() == []
    await clock.advance(0.001)
    assert await kept.purge() == ["idempotency_keys"] * 3
    assert kept.keys() == ["young"]


async def test_the_latest_events_stay(kept: Kept) -> None:
    last = KEEP_EVENTS + SLICE + 1
    events = [
        Event(id, "notification", UUID(int=1), None, None, "queued", 0)
        for id in (*range(1, SLICE + 3), last)
    ]
    kept.archive.state.events, kept.archive.state.last_event = events, last
    assert await kept.purge() == ["events"] * 2
    assert [event.id for event in kept.archive.state.events] == [SLICE + 2, last]


async def test_statistics_go_a_day_or_an_hour_at_a_time(kept: Kept, clock: ManualClock) -> None:
    state = kept.archive.state
    for _ in range(3):
        for minute in range(60):
            at = clock.now() + minute * 60_000
            state.totals[at - at % 600_000, "academic", "email", "sent"] += 1
            state.latencies[at, "email", "smtp://a", 3, False] += 1
        await clock.advance(DAY)
    await clock.advance(30 * DAY)
    assert await kept.purge() == ["latencies"] * 2
    await clock.advance(400 * DAY)
    assert await kept.purge() == [*["totals"] * 3, *["latencies"] * 1]


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
async def test_no_window_adds_up_many_spans_or_loses_any(
    kept: Kept, clock: ManualClock, window: Window
) -> None:
    state, step = kept.archive.state, 600_000
    end = clock.now() - clock.now() % step
    await clock.advance(31 * DAY)
    # At each time of the day, with other spans.
    for _ in range(25):
        for at in range(end, clock.now(), step):
            state.totals[at, "academic", "email", "sent"] += 1
            state.latencies[at, "email", "smtp://a", 3, False] += 1
            end = at + step
        await kept.purge()
        since = window.since(clock.now())
        assert since <= clock.now() - window.length
        [total] = await kept.archive.statistics.totals(since)
        [latency] = await kept.archive.statistics.latencies(since)
        assert total.number == latency.attempts == len(range(since, end, step))
        for counts in (state.totals, state.latencies):
            assert len([key for key in counts if key[0] >= since]) <= 100
        await clock.advance(3500)


async def test_it_purges_again_and_again(
    kept: Kept, clock: ManualClock, running: "asyncio.Task[None]"
) -> None:
    for _ in range(2):
        kept.notification("academic")
        await clock.advance(11 * DAY)
        await settle()
        await clock.advance(60)
        await settle()
        assert kept.kinds() == []


@pytest.mark.parametrize(
    "error", [Unavailable("disk full"), WriteRefused("locked"), RuntimeError("secret")]
)
@pytest.mark.parametrize("refuse", ["read", "write"])
async def test_a_refused_purge_is_logged_and_tried_again(
    kept: Kept, clock: ManualClock, error: Exception, refuse: str
) -> None:
    kept.answer("old")
    await clock.advance(2 * DAY)
    getattr(kept.archive, f"refuse_{refuse}")(error)
    with capture_logs() as logs:
        running = asyncio.create_task(kept.maintenance.run())
        await settle()
    assert [(entry["event"], entry["error"]) for entry in logs] == [
        ("maintenance.failed", type(error).__name__)
    ]
    assert "secret" not in str(logs)
    assert not running.done()
    assert kept.keys() == ["old"]
    await clock.advance(60)
    await settle()
    assert kept.keys() == []
    running.cancel()
    await asyncio.wait({running})


async def test_a_purge_that_is_refused_for_ever_holds_up_no_other(
    kept: Kept, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*args: Any) -> bool:
        raise WriteRefused("this table is damaged")

    monkeypatch.setattr(kept.archive.maintenance, "purge_events", refuse)
    kept.notification("academic")
    await clock.advance(11 * DAY)
    with capture_logs():
        running = asyncio.create_task(kept.maintenance.run())
        await settle()
        await clock.advance(60)
        await settle()
    assert kept.kinds() == []
    running.cancel()
    await asyncio.wait({running})


async def test_unfinished_jobs_are_left_alone(kept: Kept, clock: ManualClock) -> None:
    id = kept.notification("academic", over=False)
    job = Job(kept.ids(), id, Priority.low)
    kept.archive.state.jobs[job.id] = ScheduledJob(job, clock.now())
    await clock.advance(400 * DAY)
    assert await kept.purge() == []
    assert list(kept.archive.state.jobs) == [job.id]


async def test_a_setting_is_for_the_kinds_that_do_not_say_themselves(clock: ManualClock) -> None:
    kept = Kept(clock)
    kept.maintenance = Maintenance(KINDS, kept.archive.maintenance, clock, timedelta(days=3))
    for kind in ("academic", "security", "no-longer-declared"):
        kept.notification(kind)
    await clock.advance(4 * DAY)
    await kept.maintenance.purge()
    assert [n.kind for n in kept.archive.state.notifications.values()] == ["academic"]
