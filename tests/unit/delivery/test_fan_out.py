"""From an audience to deliveries in batches, slice by slice, each once."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flashnotify.archive.writes.changes import Change
from flashnotify.archive.writes.statements import (
    ADD_DELIVERY,
    CANCEL_NOTIFICATION,
    EXPIRE_NOTIFICATION,
)
from flashnotify.delivery.fan_out import Expansion
from flashnotify.delivery.in_flight import Claims
from flashnotify.delivery.routing import QUIET, Routing
from flashnotify.domain import BATCH_SIZE, Job, Priority
from flashnotify.errors import Unavailable
from flashnotify.meta.registry import NOTIFIERS, Registry
from tests.support.archives import Archive
from tests.support.manual_clock import ManualClock


class Crash(BaseException):
    """The process ends here."""


class Crashing:
    """A writer after whose `last` write the process ends."""

    def __init__(self, archive: Archive, last: int | None = None) -> None:
        self._writer = archive.writer
        self._last = last
        self.slices: list[int] = []

    async def write(self, *changes: Change) -> None:
        if len(self.slices) == self._last:
            raise Crash
        self.slices.append(sum(statement is ADD_DELIVERY for statement, _ in changes))
        await self._writer.write(*changes)


def expansion(
    archive: Archive, writer: Any = None, kinds: Any = NOTIFIERS, claims: Claims | None = None
) -> Expansion:
    return Expansion(
        kinds,
        archive.reader,
        writer or archive.writer,
        claims or Claims(),
        Routing(ZoneInfo("UTC")),
        archive.clock,
        archive.ids,
    )


async def expand(
    archive: Archive,
    job: Job,
    enqueue: Callable[[Job], None] = lambda batch: None,
    writer: Any = None,
    kinds: Any = NOTIFIERS,
) -> int | None:
    """Expand a job as a worker does, which holds it meanwhile."""
    claims = Claims()
    with claims.job(job):
        return await expansion(archive, writer, kinds, claims).expand(job, enqueue)


def people(number: int) -> list[str]:
    """So many recipients."""
    return [f"mailto:a{n}@univ.example" for n in range(number)]


async def test_ten_thousand_recipients_are_expanded_in_slices(archive: Archive) -> None:
    job = await archive.accepted(to=people(10_000))
    writer = Crashing(archive)
    enqueued: list[Job] = []
    await expand(archive, job, enqueued.append, writer)

    assert sum(writer.slices) == 10_000
    assert max(writer.slices) <= 500
    assert archive.one("SELECT count(DISTINCT address) FROM deliveries") == 10_000
    sizes = archive.rows("SELECT count(*) FROM deliveries GROUP BY job_id")
    assert sizes == [(BATCH_SIZE,)] * 50
    # Each batch is a job on disk, and enqueued; the whole is no job any more.
    jobs = {bytes(id) for (id,) in archive.rows("SELECT id FROM jobs")}
    assert jobs == {batch.id.bytes for batch in enqueued}
    assert {(batch.notification_id, batch.channel, batch.priority) for batch in enqueued} == {
        (job.notification_id, "email", Priority.low)
    }
    assert archive.rows("SELECT status, pending, expanded FROM notifications") == [
        ("sending", 10_000, 10_000)
    ]
    assert await archive.reader.counts(job.notification_id) == {"email": {"queued": 10_000}}


async def test_a_batch_is_enqueued_only_once_it_is_on_disk(archive: Archive) -> None:
    job = await archive.accepted(to=people(1000))
    seen: list[int] = []

    def enqueue(batch: Job) -> None:
        sql = f"SELECT count(*) FROM deliveries WHERE job_id = x'{batch.id.hex}'"
        seen.append(archive.one(sql))

    await expand(archive, job, enqueue)
    assert seen == [BATCH_SIZE] * 5


@pytest.mark.parametrize("last", [0, 1, 2, 3, 12, 24])
async def test_a_crash_in_the_middle_loses_and_doubles_nothing(archive: Archive, last: int) -> None:
    job = await archive.accepted(to=people(9_990))
    with pytest.raises(Crash):
        await expand(archive, job, writer=Crashing(archive, last))
    # The job is still there, for the next start.
    assert job.id.bytes in {bytes(id) for (id,) in archive.rows("SELECT id FROM jobs")}
    assert await archive.reader.jobs_due(job.priority, archive.clock.now(), 1) == [job]

    await expand(archive, job)
    addresses = Counter(address for (address,) in archive.rows("SELECT address FROM deliveries"))
    assert len(addresses) == 9_990
    assert set(addresses.values()) == {1}
    assert archive.rows("SELECT status, pending FROM notifications") == [("sending", 9_990)]
    assert await archive.reader.counts(job.notification_id) == {"email": {"queued": 9_990}}


async def test_expanding_again_does_nothing(archive: Archive) -> None:
    job = await archive.accepted(to=people(3))
    for _ in range(3):
        await expand(archive, job)
    assert archive.one("SELECT count(*) FROM deliveries") == 3
    assert archive.one("SELECT pending FROM notifications") == 3


async def test_a_notification_that_has_expired_makes_no_deliveries(
    archive: Archive, clock: ManualClock
) -> None:
    job = await archive.accepted(expires_at=clock.now() + 1000)
    await clock.advance(1)
    await expand(archive, job)
    assert archive.rows("SELECT status, pending, completed_at FROM notifications") == [
        ("expired", 0, clock.now())
    ]
    assert archive.rows("SELECT 1 FROM deliveries UNION ALL SELECT 1 FROM jobs") == []


@pytest.mark.parametrize("status", ["cancelled", "expired", "completed"])
async def test_a_notification_that_is_over_makes_no_deliveries(
    archive: Archive, status: str
) -> None:
    job = await archive.accepted(status=status)
    await expand(archive, job)
    assert archive.rows("SELECT 1 FROM deliveries UNION ALL SELECT 1 FROM jobs") == []
    assert archive.one("SELECT status FROM notifications") == status


async def test_channels_that_were_not_asked_for_are_skipped_with_the_reason(
    archive: Archive,
) -> None:
    job = await archive.accepted(channels='["push"]', to=people(2))
    await expand(archive, job)
    assert (
        archive.rows("SELECT status, reason FROM deliveries")
        == [("skipped", "not among the request's channels")] * 2
    )
    assert archive.rows("SELECT status, pending FROM notifications") == [("completed", 0)]


async def test_a_kind_that_is_gone_ends_its_notifications(archive: Archive) -> None:
    job = await archive.accepted(to=people(1000))
    await expand(archive, job, kinds=Registry("kind"))
    assert archive.rows("SELECT status, pending FROM notifications") == [("completed", 0)]
    assert archive.rows("SELECT 1 FROM jobs") == []


async def test_what_rings_at_night_is_on_disk_for_the_morning_and_not_enqueued(
    archive: Archive, clock: ManualClock
) -> None:
    midnight = 1_800_057_600_000
    await clock.advance((midnight - clock.now()) / 1000)
    morning = midnight + 7 * 3_600_000
    job = await archive.accepted(
        to=[*people(300), *(f"tel:+336120000{number:02}" for number in range(50))]
    )
    enqueued: list[Job] = []
    assert await expand(archive, job, enqueued.append) == morning
    assert [batch.channel for batch in enqueued] == ["email", "email"]
    assert sorted(archive.rows("SELECT channel, due_at FROM jobs")) == [
        ("email", midnight),
        ("email", midnight),
        ("sms", morning),
    ]
    assert archive.rows(
        "SELECT channel, due_at, reason, count(*) FROM deliveries GROUP BY 1, 2, 3 ORDER BY 1"
    ) == [("email", midnight, None, 300), ("sms", morning, QUIET, 50)]


async def test_others_run_between_the_slices(archive: Archive) -> None:
    job = await archive.accepted(to=people(10_000))
    turns: list[int] = []
    made = 0

    def enqueue(batch: Job) -> None:
        nonlocal made
        made += 1

    async def other() -> None:
        while True:
            turns.append(made)
            await asyncio.sleep(0)

    running = asyncio.create_task(other())
    await expand(archive, job, enqueue)
    running.cancel()
    # Never more than a slice between two turns.
    assert max(later - earlier for earlier, later in itertools.pairwise(turns)) <= 2


async def test_a_job_that_broke_off_comes_again(archive: Archive, clock: ManualClock) -> None:
    job = await archive.accepted()
    due = await expansion(archive).fail(job, RuntimeError())
    assert due > clock.now()
    assert archive.one("SELECT due_at FROM jobs") == due


async def test_what_cannot_be_written_is_told(archive: Archive) -> None:
    job = await archive.accepted()
    archive.writer.close()
    enqueued: list[Job] = []
    with pytest.raises(Unavailable):
        await expand(archive, job, enqueued.append)
    assert enqueued == []


@pytest.mark.parametrize("first", ["cancel", "expansion"])
async def test_what_is_cancelled_while_it_is_expanded_stays_cancelled(
    archive: Archive, first: str
) -> None:
    """Read as queued, cancelled by the next commit, or by the same one."""
    job = await archive.accepted(to=people(3))

    class Cancelling:
        async def write(self, *changes: Change) -> None:
            order = {"of": job.notification_id, "now": archive.clock.now()}
            cancel = archive.writer.write((CANCEL_NOTIFICATION, order))
            writes = [cancel, archive.writer.write(*changes)]
            await asyncio.gather(*(writes if first == "cancel" else reversed(writes)))

    await expand(archive, job, writer=Cancelling())
    status, completed = archive.rows("SELECT status, completed_at FROM notifications")[0]
    assert status == "cancelled"
    assert completed == archive.clock.now()
    # Its deliveries are there, and their batch will end them.
    assert archive.one("SELECT count(*) FROM deliveries WHERE status = 'queued'") == 3


async def test_what_was_cancelled_does_not_expire(archive: Archive) -> None:
    job = await archive.accepted()
    order = {"of": job.notification_id, "now": archive.clock.now()}
    await archive.writer.write((CANCEL_NOTIFICATION, order))
    await archive.writer.write((EXPIRE_NOTIFICATION, order))
    assert archive.one("SELECT status FROM notifications") == "cancelled"
