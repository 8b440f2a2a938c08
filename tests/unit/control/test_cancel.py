"""Cancelling: nothing more is sent, at once, and in the order of arrival."""

import asyncio
from uuid import UUID

import pytest

from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.records import Finish
from flashnotify.control.cancel_and_retry import CancelAndRetry
from flashnotify.domain import DeliveryStatus, Job, Lane, NotificationStatus, Priority
from flashnotify.errors import Conflict, NotFound, Rejected, Retryable, Unavailable
from tests.support.delivering import ACTOR, Delivering, gate
from tests.support.manual_clock import ManualClock

TWO = ("mailto:a@univ.example", "mailto:b@univ.example")


@pytest.fixture
def control(delivering: Delivering) -> CancelAndRetry:
    return delivering.control


def stored(delivering: Delivering, id: UUID) -> NotificationStatus:
    return delivering.archive.state.notifications[id].status


async def test_everything_that_is_queued_ends_as_cancelled(
    delivering: Delivering, control: CancelAndRetry, clock: ManualClock
) -> None:
    (job,) = await delivering.batches(*TWO)
    await control.cancel(job.notification_id, ACTOR)
    assert delivering.archive.writes == ["notifications.cancel"]
    assert stored(delivering, job.notification_id) is NotificationStatus.cancelled
    assert await delivering.execute(job) is None
    assert [status[1:] for status in delivering.statuses()] == [
        ("cancelled", "the notification was cancelled")
    ] * 2
    assert delivering.transports["email"][0].sent == []
    counts = await delivering.archive.notifications.counts(job.notification_id)
    assert counts == {"email": {"cancelled": 2}}


async def test_its_jobs_come_up_at_once_in_every_lane(
    delivering: Delivering,
    control: CancelAndRetry,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    delivering.transports["email"][0].script.append(Retryable("busy", after=3600))
    job, _ = await delivering.batches(TWO[0], "tel:+33612345678", priority=Priority.high)
    due = await delivering.execute(job)
    assert due == clock.now() + 3_600_000
    delivering.wake_ups.clear()
    await control.cancel(job.notification_id, ACTOR)
    state = delivering.archive.state
    assert {scheduled.due_at for scheduled in state.jobs.values()} == {clock.now()}
    assert set(delivering.wake_ups) == {
        (Lane(channel, Priority.high), clock.now()) for channel in (None, "email", "sms")
    }
    await delivering.execute(job)
    assert delivering.statuses()[0] == (
        "a@univ.example", "cancelled", "the notification was cancelled",
    )  # fmt: skip


async def test_a_scheduled_notification_is_cancelled_before_its_fan_out(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    job = await delivering.accept(TWO)
    await control.cancel(job.notification_id, ACTOR)
    with delivering.in_flight.job(job):
        await delivering.fan_out.execute(job)
    assert [status[1] for status in delivering.statuses()] == ["cancelled"] * 2


async def sending_first_of_two(
    delivering: Delivering,
) -> tuple[Job, asyncio.Task[int | None], asyncio.Event]:
    """Return a batch of two, its execution while the first is being sent, and how to go on."""
    reached, go_on, wait = gate()
    (transport,) = delivering.transports["email"]
    transport.script.append(wait)
    transport.connections = type(transport.connections)(1)
    (job,) = await delivering.batches(*TWO)
    running = asyncio.create_task(delivering.execute(job))
    await reached.wait()
    return job, running, go_on


async def test_a_message_that_is_being_sent_ends_as_sent_and_no_other_is_begun(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    job, running, go_on = await sending_first_of_two(delivering)
    await control.cancel(job.notification_id, ACTOR)
    go_on.set()
    assert await running is None
    assert delivering.transports["email"][0].sent == ["a@univ.example"]
    assert [status[1] for status in delivering.statuses()] == ["sent", "cancelled"]
    assert stored(delivering, job.notification_id) is NotificationStatus.cancelled
    assert delivering.archive.state.pending[job.notification_id] == 0


async def test_a_job_that_is_taken_while_the_write_is_under_way_sends_nothing(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    """It has read the notification as it was before."""
    (job,) = await delivering.batches(*TWO)
    write = delivering.archive.notifications.cancel
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow(id: UUID, priority: Priority, now: int, entry: AuditEntry | None = None) -> None:
        reached.set()
        await go_on.wait()
        await write(id, priority, now, entry)

    delivering.archive.notifications.cancel = slow  # type: ignore[method-assign]
    cancelling = asyncio.create_task(control.cancel(job.notification_id, ACTOR))
    await reached.wait()
    with delivering.in_flight.job(job):
        assert not delivering.in_flight.cancelled(job)
        go_on.set()
        await cancelling
        assert delivering.in_flight.cancelled(job)


async def test_cancelling_twice_is_no_error_and_one_write(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    (job,) = await delivering.batches()
    await asyncio.gather(*(control.cancel(job.notification_id, ACTOR) for _ in range(3)))
    assert delivering.archive.writes == ["notifications.cancel"]


async def test_a_notification_that_does_not_exist_is_not_found(control: CancelAndRetry) -> None:
    with pytest.raises(NotFound):
        await control.cancel(UUID(int=1), ACTOR)


@pytest.mark.parametrize("answer", [None, Rejected("no")])
async def test_a_notification_that_is_completed_is_a_conflict(
    delivering: Delivering, control: CancelAndRetry, answer: Exception | None
) -> None:
    if answer is not None:
        delivering.transports["email"][0].script.append(answer)
    (job,) = await delivering.batches()
    await delivering.execute(job)
    delivering.archive.writes.clear()
    with pytest.raises(Conflict, match="completed"):
        await control.cancel(job.notification_id, ACTOR)
    assert delivering.archive.writes == []


async def test_an_expired_notification_is_a_conflict(
    delivering: Delivering, control: CancelAndRetry, clock: ManualClock
) -> None:
    (job,) = await delivering.batches(expires_at=clock.now() + 1)
    await clock.advance(1)
    await delivering.execute(job)
    with pytest.raises(Conflict, match="expired"):
        await control.cancel(job.notification_id, ACTOR)


async def test_one_whose_last_delivery_ends_first_is_a_conflict(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    """The result arrives before the cancellation, in the same commit perhaps."""
    (job,) = await delivering.batches()
    write = delivering.archive.notifications.cancel

    async def after_the_result(
        id: UUID, priority: Priority, now: int, entry: AuditEntry | None = None
    ) -> None:
        # The delivery was being sent, and is not stopped.
        notification = delivering.archive.state.notifications[id]
        (delivery,) = delivering.deliveries()
        sent = Finish(DeliveryStatus.sent)
        await delivering.archive.deliveries.finish(notification, [delivery], sent, now)
        await write(id, priority, now, entry)

    delivering.archive.notifications.cancel = after_the_result  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="completed"):
        await control.cancel(job.notification_id, ACTOR)
    assert delivering.statuses() == [("a@univ.example", "sent", None)]
    assert stored(delivering, job.notification_id) is NotificationStatus.completed


async def test_a_refused_write_is_passed_on(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    (job,) = await delivering.batches()
    delivering.archive.refuse_write()
    with pytest.raises(Unavailable):
        await control.cancel(job.notification_id, ACTOR)
    assert stored(delivering, job.notification_id) is NotificationStatus.sending
    # Nothing is in flight: the batch is sent as if nobody had asked.
    await delivering.execute(job)
    assert delivering.statuses() == [("a@univ.example", "sent", None)]


async def test_a_refused_write_stops_no_batch_in_flight(
    delivering: Delivering, control: CancelAndRetry
) -> None:
    job, running, go_on = await sending_first_of_two(delivering)
    delivering.archive.refuse_write()
    with pytest.raises(Unavailable):
        await control.cancel(job.notification_id, ACTOR)
    go_on.set()
    assert await running is None
    assert [status[1] for status in delivering.statuses()] == ["sent", "sent"]
    assert stored(delivering, job.notification_id) is NotificationStatus.completed


async def test_a_batch_rescheduled_during_a_cancellation_is_due_at_once(
    delivering: Delivering, control: CancelAndRetry, clock: ManualClock
) -> None:
    """The batch is rescheduled after the write that makes its job due."""
    reached, go_on, wait = gate()

    async def busy() -> Exception:
        await wait()
        return Retryable("busy", after=3600)

    delivering.transports["email"][0].script.append(busy)
    (job,) = await delivering.batches()
    running = asyncio.create_task(delivering.execute(job))
    await reached.wait()
    write = delivering.archive.notifications.cancel

    async def slow(id: UUID, priority: Priority, now: int, entry: AuditEntry | None = None) -> None:
        await write(id, priority, now, entry)
        go_on.set()
        assert await running == clock.now()

    delivering.archive.notifications.cancel = slow  # type: ignore[method-assign]
    await control.cancel(job.notification_id, ACTOR)
    await delivering.execute(job)
    assert [status[1] for status in delivering.statuses()] == ["cancelled"]
