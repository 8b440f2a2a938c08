"""Retrying: the failed deliveries of a notification are queued again, each once."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from flashnotify.archive.records import Delivery
from flashnotify.control.cancel_and_retry import CancelAndRetry
from flashnotify.domain import BATCH_SIZE, DeliveryStatus, Job, NotificationStatus, Priority
from flashnotify.errors import Conflict, NotFound, Rejected, Unavailable
from flashnotify.ids import UUIDv7
from flashnotify.meta.registry import Registry
from flashnotify.runtime.maintenance import Maintenance
from tests.support.delivering import ACTOR, Delivering
from tests.support.manual_clock import ManualClock

ALL = frozenset(Priority)
HOUR = 3600
REQUEUE = "notifications.requeue"


@pytest.fixture
def control(delivering: Delivering) -> CancelAndRetry:
    return delivering.control


async def fail(
    delivering: Delivering, number: int = 1, *, phones: int = 0, expires_at: int | None = None
) -> UUID:
    """Send a notification that every recipient's provider refuses; return its id."""
    to = [f"mailto:a{n}@univ.example" for n in range(number)]
    to += [f"tel:+3361200{n:04}" for n in range(phones)]
    jobs = await delivering.batches(*to, expires_at=expires_at)
    for channel, refused in (("email", number), ("sms", phones)):
        delivering.transports[channel][0].script.extend([Rejected("550 no")] * refused)
    for job in jobs:
        await delivering.execute(job)
        queue = delivering.dispatch.queue(job.channel)
        queue.done(await queue.get(ALL))
    assert {status[1] for status in delivering.statuses()} == {"failed"}
    delivering.archive.writes.clear()
    return jobs[0].notification_id


async def queued(delivering: Delivering, channel: str = "email") -> list[Job]:
    """Take the jobs that wait for a channel."""
    queue = delivering.dispatch.queue(channel)
    return [await queue.get(ALL) for _ in range(sum(queue.depth().values()))]


async def test_failed_deliveries_are_queued_again_and_sent(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    id = await fail(delivering)
    assert await control.retry(id, ACTOR) == 1
    assert delivering.archive.writes == [REQUEUE]
    assert delivering.archive.state.notifications[id].status is NotificationStatus.sending
    assert delivering.statuses() == [("a0@univ.example", "queued", None)]
    (job,) = await queued(delivering)
    assert await delivering.execute(job) is None
    (delivery,) = delivering.deliveries()
    # An explicit retry adds attempts.
    assert delivering.attempts(delivery.id) == [("rejected", "550 no"), ("sent", "ok")]
    assert delivering.archive.state.notifications[id].status is NotificationStatus.completed
    counts = await delivering.archive.notifications.counts(id)
    assert counts == {"email": {"sent": 1}}


async def test_each_channel_gets_batches_of_its_own(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    id = await fail(delivering, 3, phones=2)
    assert await control.retry(id, ACTOR) == 5
    assert delivering.archive.writes == [REQUEUE]
    for channel, number in (("email", 3), ("sms", 2)):
        (job,) = await queued(delivering, channel)
        assert (job.channel, job.notification_id) == (channel, id)
        assert len(await delivering.archive.deliveries.queued(job.id)) == number


async def test_many_are_requeued_in_rounds_with_turns_that_follow_each_other(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    id = await fail(delivering, 2 * BATCH_SIZE + 50)
    turn = delivering.dispatch.queue("email").turn(Priority.low)
    assert await control.retry(id, ACTOR) == 2 * BATCH_SIZE + 50
    assert delivering.archive.writes == [REQUEUE] * 3
    jobs = await queued(delivering)
    sizes = [len(await delivering.archive.deliveries.queued(job.id)) for job in jobs]
    assert sizes == [BATCH_SIZE, BATCH_SIZE, 50]
    assert [job.ordinal for job in jobs] == [0, 1, 2]
    assert [job.turn for job in jobs] == [turn, turn + 1, turn + 2]


async def test_nothing_is_purged_between_the_read_and_the_write_of_a_retry(
    delivering: Delivering,
    control: CancelAndRetry,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    id = await fail(delivering)
    await clock.advance(400 * 24 * HOUR)
    maintenance = Maintenance(Registry("kind"), delivering.archive.maintenance, clock)
    maintenance.purging = control.purging
    read, purges = delivering.archive.deliveries.failed, list[asyncio.Task[None]]()

    async def read_before_a_purge(id: UUID, after: UUID, limit: int) -> Sequence[Delivery]:
        found = await read(id, after, limit)
        purges.append(asyncio.create_task(maintenance.purge()))
        for _ in range(20):
            await asyncio.sleep(0)
        return found

    monkeypatch.setattr(delivering.archive.deliveries, "failed", read_before_a_purge)
    assert await control.retry(id, ACTOR) == 1
    await asyncio.gather(*purges)
    (job,) = await queued(delivering)
    assert await delivering.execute(job) is None
    assert delivering.archive.state.notifications[id].status is NotificationStatus.completed


async def test_turns_follow_each_other_also_while_the_first_batches_are_sent(
    delivering: Delivering, control: CancelAndRetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await fail(delivering, 4 * BATCH_SIZE)
    read, turns = delivering.archive.deliveries.failed, list[int | None]()

    async def take_meanwhile(id: UUID, after: UUID, limit: int) -> Sequence[Delivery]:
        turns.extend(job.turn for job in await queued(delivering))
        return await read(id, after, limit)

    monkeypatch.setattr(delivering.archive.deliveries, "failed", take_meanwhile)
    turn = delivering.dispatch.queue("email").turn(Priority.low)
    await control.retry(id, ACTOR)
    assert turns == [turn + number for number in range(4)]


async def test_one_that_fails_again_meanwhile_is_not_requeued_twice(
    delivering: Delivering, control: CancelAndRetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await fail(delivering, BATCH_SIZE + 1)
    delivering.transports["email"][0].script.extend([Rejected("again")] * 1000)
    read, rounds = delivering.archive.deliveries.failed, 0

    async def fail_meanwhile(id: UUID, after: UUID, limit: int) -> Sequence[Delivery]:
        nonlocal rounds
        rounds += 1
        assert rounds < 10
        for job in await queued(delivering):
            await delivering.execute(job)
        return await read(id, after, limit)

    monkeypatch.setattr(delivering.archive.deliveries, "failed", fail_meanwhile)
    assert await control.retry(id, ACTOR) == BATCH_SIZE + 1
    attempts = [len(delivering.attempts(delivery.id)) for delivery in delivering.deliveries()]
    assert attempts == [2] * (BATCH_SIZE + 1)


async def test_two_retries_at_once_requeue_each_delivery_once(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    id = await fail(delivering, BATCH_SIZE + 1)
    assert sorted(await asyncio.gather(control.retry(id, ACTOR), control.retry(id, ACTOR))) == [
        0,
        BATCH_SIZE + 1,
    ]
    assert delivering.archive.writes == [REQUEUE] * 2


async def test_deliveries_made_after_the_clock_stepped_back_are_not_missed(
    delivering: Delivering, control: CancelAndRetry, clock: ManualClock
) -> None:
    """Their ids are older than that of their notification."""
    job = await delivering.accept([f"mailto:a{n}@univ.example" for n in range(3)])
    past = ManualClock(clock.now() - 10 * HOUR * 1000)
    delivering.ids = UUIDv7(past.now)
    with delivering.in_flight.job(job):
        await delivering.fan_out.execute(job)
    delivering.transports["email"][0].script.extend([Rejected("550 no")] * 3)
    (batch,) = await queued(delivering)
    await delivering.execute(batch)
    assert max(delivery.id for delivery in delivering.deliveries()) < job.notification_id
    assert await control.retry(job.notification_id, ACTOR) == 3


async def test_a_retried_delivery_has_a_whole_lifetime_again(
    delivering: Delivering,
    control: CancelAndRetry,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    id = await fail(delivering)
    await clock.advance(48 * HOUR)
    await control.retry(id, ACTOR)
    delivering.transports["email"][0].script.append(Unavailable("no thread", retry_after=60))
    (job,) = await queued(delivering)
    assert await delivering.execute(job) == clock.now() + 60_000
    (delivery,) = delivering.deliveries()
    assert delivery.status is DeliveryStatus.queued


async def test_with_nothing_failed_there_is_nothing_to_do(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    (job,) = await delivering.batches()
    await delivering.execute(job)
    delivering.archive.writes.clear()
    assert await control.retry(job.notification_id, ACTOR) == 0
    assert delivering.archive.writes == []


async def test_a_full_lane_leaves_the_batches_on_disk(clock: ManualClock) -> None:
    delivering = Delivering(clock, bound=1)
    control = delivering.control
    id = await fail(delivering, 1)
    await delivering.batches("mailto:other@univ.example")
    assert await control.retry(id, ACTOR) == 1
    stored = [scheduled.job for scheduled in delivering.archive.state.jobs.values()]
    assert {job.notification_id for job in stored} >= {id}


async def test_a_refused_write_is_passed_on_with_nothing_half_done(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    id = await fail(delivering)
    delivering.archive.refuse_write()
    with pytest.raises(Unavailable):
        await control.retry(id, ACTOR)
    assert await queued(delivering) == []
    assert delivering.statuses() == [("a0@univ.example", "failed", "550 no")]
    assert await control.retry(id, ACTOR) == 1


async def test_a_notification_that_does_not_exist_is_not_found(control: CancelAndRetry) -> None:
    with pytest.raises(NotFound):
        await control.retry(UUID(int=1), ACTOR)


async def test_a_cancelled_notification_is_a_conflict(
    delivering: Delivering, control: CancelAndRetry, clock: ManualClock
) -> None:
    (job,) = await delivering.batches()
    await delivering.archive.notifications.cancel(job.notification_id, job.priority, clock.now())
    with pytest.raises(Conflict, match="cancelled"):
        await control.retry(job.notification_id, ACTOR)


async def test_an_expired_notification_is_a_conflict(
    delivering: Delivering, control: CancelAndRetry, clock: ManualClock
) -> None:
    id = await fail(delivering, expires_at=clock.now() + 1000)
    await clock.advance(0.999)
    assert await control.retry(id, ACTOR) == 1
    (job,) = await queued(delivering)
    delivering.transports["email"][0].script.append(Rejected("550 no"))
    await delivering.execute(job)
    await clock.advance(0.001)
    delivering.archive.writes.clear()
    with pytest.raises(Conflict, match="expired"):
        await control.retry(id, ACTOR)
    assert delivering.archive.writes == []
