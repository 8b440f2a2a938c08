"""The behaviour of every archive: both the one in memory and the one on disk."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from flashnotify.archive.api_key_records import ApiKey, DailyRecipients
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.ports import Archive
from flashnotify.archive.records import (
    Delivery,
    DeliveryFilter,
    FanOutSlice,
    Finish,
    IdempotencyRecord,
    Notification,
    NotificationFilter,
    OutboxFilter,
    OutboxMessage,
    RegisteredDevice,
    Reschedule,
    ScheduledJob,
)
from flashnotify.archive.statistics_records import ACCEPTED, Latency, Total
from flashnotify.domain import (
    AttemptOutcome,
    DeliveryStatus,
    Device,
    DeviceType,
    Job,
    Lane,
    NotificationStatus,
    Outcome,
    Priority,
    WaitReason,
)
from flashnotify.errors import InvalidInput, WriteRefused
from tests.support.archives import opened
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive
from tests.support.records import Records

SENT = Finish(DeliveryStatus.sent)
FAILED = Finish(DeliveryStatus.failed, "550 no such user")
EXPIRED = Finish(DeliveryStatus.skipped, "expired")
NIL = UUID(int=0)
EMAIL = Lane("email", Priority.low)
FAN_OUT = Lane(None, Priority.low)


@pytest.fixture(params=["memory", "sqlite"])
async def ports(
    request: pytest.FixtureRequest, migrated: Path, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Archive]:
    """An empty archive."""
    if request.param == "memory":
        yield MemoryArchive()
        return
    shutil.copy(migrated, tmp_path / "archive.db")
    async with opened(tmp_path / "archive.db", clock) as archive:
        yield archive.ports


@pytest.fixture
def records(ports: Archive, clock: ManualClock) -> Records:
    return Records(ports, clock.now)


async def find(ports: Archive, id: UUID) -> Notification:
    found = await ports.notifications.find(id)
    assert found is not None
    return found


async def delivery(ports: Archive, id: UUID) -> Delivery:
    found = await ports.deliveries.find(id)
    assert found is not None
    return found


# --- Notifications -----------------------------------------------------------------------------


async def test_a_notification_comes_back_as_it_was_accepted(
    ports: Archive, records: Records
) -> None:
    accepted, job = await records.accepted(
        title="Été « 50 % »",
        data={"course": "ALG-2", "rooms": [1, None, {"a": True}]},
        audience=("mailto:a@univ.example", "tel:+33612345678"),
        channels=["email", "sms"],
        priority=Priority.critical,
        send_at=5,
        expires_at=2**45,
        reference="exam-7",
    )
    found = await find(ports, accepted.id)
    assert tuple(found.audience) == accepted.audience
    assert found.audience[1] == accepted.audience[1]
    assert replace(found, audience=accepted.audience) == accepted
    short = await ports.notifications.find(accepted.id, audience=False)
    assert short == replace(accepted, audience=())
    assert await ports.notifications.find(records.id()) is None
    assert await ports.jobs.ready(Lane(None, Priority.critical), None, 9) == [job]


async def test_a_notification_is_not_accepted_twice(ports: Archive, records: Records) -> None:
    accepted, job = await records.accepted()
    with pytest.raises(WriteRefused):
        await ports.notifications.accept(accepted, ScheduledJob(job, 0), None)


async def test_lists_are_filtered_and_paged(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    first, _ = await records.accepted(reference="r")
    await clock.advance(1)
    second, _ = await records.accepted(kind="security", priority=Priority.critical)
    await clock.advance(1)
    third, _ = await records.accepted(status=NotificationStatus.scheduled, reference="r")

    async def ids(limit: int = 9, cursor: str | None = None, **wanted: object) -> list[UUID]:
        which = NotificationFilter(**wanted)  # type: ignore[arg-type]  # as each case says
        page = await ports.notifications.page(which, limit=limit, cursor=cursor)
        assert all(item.audience == () for item in page.items)
        return [item.id for item in page.items]

    assert await ids() == [third.id, second.id, first.id]
    assert await ids(reference="r") == [third.id, first.id]
    assert await ids(kind="security") == [second.id]
    assert await ids(priority=Priority.critical) == [second.id]
    assert await ids(status=NotificationStatus.scheduled) == [third.id]
    assert await ids(status=NotificationStatus.completed) == []
    assert await ids(since=second.accepted_at) == [third.id, second.id]
    assert await ids(until=second.accepted_at) == [first.id]
    page = await ports.notifications.page(NotificationFilter(), limit=2, cursor=None)
    assert [item.id for item in page.items] == [third.id, second.id]
    assert await ids(cursor=page.next) == [first.id]
    last = await ports.notifications.page(NotificationFilter(), limit=1, cursor=page.next)
    assert last.next is None
    with pytest.raises(InvalidInput):
        await ids(cursor="nonsense!")


async def test_an_idempotent_answer_is_kept_and_a_newer_one_replaces_it(
    ports: Archive, records: Records
) -> None:
    assert await ports.notifications.idempotent_answer("local", "k") is None
    for fingerprint in (b"old", b"new"):
        notification = records.notification()
        answer = IdempotencyRecord(
            "local", "k", fingerprint, notification.id, notification.status, 7
        )
        job = Job(records.id(), notification.id, Priority.low)
        await ports.notifications.accept(notification, ScheduledJob(job, 0), answer)
        assert await ports.notifications.idempotent_answer("local", "k") == answer
    assert await ports.notifications.idempotent_answer("other", "k") is None


async def test_a_fan_out_is_stored_in_slices(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    notification, fan_out = await records.accepted()
    now = clock.now()
    first = Job(records.id(), notification.id, Priority.low, "email", ordinal=0, turn=4)
    second = Job(records.id(), notification.id, Priority.low, "sms", ordinal=0)
    mails = [records.delivery(first) for _ in range(3)]
    done = FanOutSlice(3, mails, [ScheduledJob(first, now)], finished=False)
    await ports.notifications.add_deliveries(fan_out, done, now)
    found = await find(ports, notification.id)
    assert (found.status, found.fanned_out) == (NotificationStatus.sending, 3)
    assert await ports.jobs.ready(FAN_OUT, None, 9) == [fan_out]
    late = records.delivery(second, due_at=now + 5, reason="quiet hours")
    skipped = records.delivery(second, status=DeliveryStatus.skipped, reason="no address")
    waits = ScheduledJob(second, now + 5, "quiet hours")
    done = FanOutSlice(5, [late, skipped], [waits], finished=True)
    await ports.notifications.add_deliveries(fan_out, done, now)
    assert (await find(ports, notification.id)).fanned_out == 5
    assert await ports.jobs.ready(FAN_OUT, None, 9) == []
    assert await ports.jobs.ready(EMAIL, None, 9) == [first]
    assert await ports.deliveries.queued(first.id) == mails
    assert await ports.deliveries.queued(second.id) == [late]
    assert await ports.notifications.counts(notification.id) == {
        "email": {"queued": 3},
        "sms": {"queued": 1, "skipped": 1},
    }
    assert await ports.jobs.channels() == {"email", "sms"}


async def test_a_fan_out_to_nobody_completes(ports: Archive, records: Records) -> None:
    notification, fan_out = await records.accepted()
    done = FanOutSlice(1, [], [], finished=True)
    await ports.notifications.add_deliveries(fan_out, done, 77)
    found = await find(ports, notification.id)
    assert (found.status, found.completed_at) == (NotificationStatus.completed, 77)


async def test_a_fan_out_that_expires_half_way_leaves_a_trace_of_each(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    notification, fan_out = await records.accepted()
    job = Job(records.id(), notification.id, Priority.low, "email", turn=0)
    sent = records.delivery(job)
    now = clock.now()
    done = FanOutSlice(1, [sent], [ScheduledJob(job, now)], finished=False)
    await ports.notifications.add_deliveries(fan_out, done, now)
    await records.record(notification, sent, [records.attempt()], SENT, now)
    late = records.delivery(job, status=DeliveryStatus.skipped, reason="expired")
    await ports.notifications.add_deliveries(
        fan_out, FanOutSlice(2, [late], [], True, True), now + 9
    )
    found = await find(ports, notification.id)
    assert (found.status, found.completed_at) == (NotificationStatus.expired, now + 9)
    counts = {"email": {"sent": 1, "skipped": 1}}
    assert await ports.notifications.counts(notification.id) == counts


async def test_a_notification_that_expires_before_its_fan_out_leaves_a_trace(
    ports: Archive, records: Records
) -> None:
    notification, fan_out = await records.accepted()
    late = records.delivery(fan_out, status=DeliveryStatus.skipped, reason="expired")
    done = FanOutSlice(1, [late], [], finished=True, expired=True)
    await ports.notifications.add_deliveries(fan_out, done, 77)
    found = await find(ports, notification.id)
    assert (found.status, found.completed_at) == (NotificationStatus.expired, 77)
    assert await ports.jobs.oldest_due([FAN_OUT]) == {}


async def test_a_notification_expires_in_the_same_commit_as_a_batch_of_another(
    ports: Archive, records: Records
) -> None:
    other, [(_, deliveries)] = await records.fanned_out(1)
    notification, fan_out = await records.accepted()
    late = records.delivery(fan_out, status=DeliveryStatus.skipped, reason="expired")
    done = FanOutSlice(1, [late], [], finished=True, expired=True)
    await asyncio.gather(
        ports.deliveries.finish(other, deliveries, EXPIRED, 77),
        ports.notifications.add_deliveries(fan_out, done, 77),
    )
    for each in (other, notification):
        found = await find(ports, each.id)
        assert (found.status, found.completed_at) == (NotificationStatus.expired, 77)


# --- Results -----------------------------------------------------------------------------------


async def test_the_last_result_completes_the_notification(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    notification, [(job, [first, second])] = await records.fanned_out(2)
    now = clock.now() + 40
    await records.record(notification, first, [records.attempt()], SENT, now)
    assert await records.status(notification.id) is NotificationStatus.sending
    assert await ports.deliveries.queued(job.id) == [second]
    refused = records.attempt(AttemptOutcome.rejected, answer="550 no such user")
    await records.record(notification, second, [refused], FAILED, now)
    found = await find(ports, notification.id)
    assert (found.status, found.completed_at) == (NotificationStatus.completed, now)
    counts = {"email": {"sent": 1, "failed": 1}}
    assert await ports.notifications.counts(notification.id) == counts
    assert await delivery(ports, second.id) == replace(
        second,
        status=DeliveryStatus.failed,
        reason="550 no such user",
        attempts=1,
        first_attempt_at=refused.at,
        updated_at=now,
    )
    attempts = await ports.deliveries.attempts([first.id, second.id], latest=9)
    assert attempts[second.id] == {1: replace(refused, tracked=False)}
    assert len(attempts[first.id]) == 1


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        ([SENT, SENT], Outcome.all_sent),
        ([SENT, FAILED], Outcome.some_failed),
        ([FAILED, FAILED], Outcome.all_failed),
        ([EXPIRED, EXPIRED], Outcome.none),
        ([EXPIRED, SENT], Outcome.all_sent),
        ([EXPIRED, FAILED], Outcome.all_failed),
    ],
)
async def test_the_outcome_tells_how_the_deliveries_ended(
    ports: Archive, records: Records, ends: list[Finish], outcome: Outcome
) -> None:
    notification, [(_, deliveries)] = await records.fanned_out(2)
    other, [(_, [_queued])] = await records.fanned_out()
    written = [
        records.record(notification, delivery, [], end, 5)
        for delivery, end in zip(deliveries, ends, strict=True)
    ]
    assert (await find(ports, other.id)).outcome is None
    await asyncio.gather(*written)
    assert (await find(ports, notification.id)).outcome is outcome
    for wanted in Outcome:
        which = NotificationFilter(outcome=wanted)
        page = await ports.notifications.page(which, limit=9, cursor=None)
        found = [notification.id] if wanted is outcome else []
        assert [item.id for item in page.items] == found


async def test_a_confirmed_delivery_was_sent_and_a_retry_has_no_outcome_yet(
    ports: Archive, records: Records
) -> None:
    notification, [(job, [first, second])] = await records.fanned_out(2)
    await records.record(notification, first, [], SENT, 1)
    await ports.deliveries.confirm(await delivery(ports, first.id), notification.kind, 2)
    await records.record(notification, second, [], FAILED, 3)
    assert (await find(ports, notification.id)).outcome is Outcome.some_failed
    again = replace(job, id=records.id())
    await ports.notifications.requeue(notification.id, [second], [again], 4)
    assert (await find(ports, notification.id)).outcome is None
    await records.record(notification, await delivery(ports, second.id), [], SENT, 5)
    assert (await find(ports, notification.id)).outcome is Outcome.all_sent


async def test_recording_a_result_does_not_wait_for_the_commit(
    ports: Archive, records: Records
) -> None:
    notification, [(_, deliveries)] = await records.fanned_out(40)
    written = [records.record(notification, d, [], SENT, 1) for d in deliveries]
    await asyncio.gather(*written)
    assert await records.status(notification.id) is NotificationStatus.completed
    assert await ports.notifications.counts(notification.id) == {"email": {"sent": 40}}


async def test_a_delivery_waits_for_its_next_attempt(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    notification, [(job, [queued])] = await records.fanned_out()
    busy = records.attempt(AttemptOutcome.retryable)
    await clock.advance(1)
    again = records.attempt(AttemptOutcome.retryable)
    later = Reschedule(clock.now() + 2000, "451 busy")
    now = clock.now()
    await records.record(notification, queued, [busy, again], later, now)
    [waiting] = await ports.deliveries.queued(job.id)
    attempted = replace(queued, attempts=2, first_attempt_at=busy.at, updated_at=now)
    assert waiting == replace(attempted, due_at=later.due_at, reason="451 busy")
    third = records.attempt()
    await records.record(notification, waiting, [third], SENT, now)
    ended = await delivery(ports, queued.id)
    assert (ended.attempts, ended.first_attempt_at, ended.reason) == (3, busy.at, None)
    attempts = await ports.deliveries.attempts([queued.id], latest=2)
    assert attempts == {
        queued.id: {n: replace(a, tracked=False) for n, a in ((2, again), (3, third))}
    }
    with pytest.raises(WriteRefused):  # the same attempt again
        await records.record(notification, waiting, [third], SENT, now)


async def test_a_delivery_that_has_ended_keeps_its_status(ports: Archive, records: Records) -> None:
    notification, [(_, [ended, _other])] = await records.fanned_out(2)
    await records.record(notification, ended, [], SENT, 1)
    await records.record(notification, ended, [], Reschedule(9, "again"), 2)
    await records.record(notification, ended, [], FAILED, 3)
    found = await delivery(ports, ended.id)
    assert (found.status, found.reason) == (DeliveryStatus.sent, None)


async def test_a_captured_message_is_kept(ports: Archive, records: Records) -> None:
    notification, [(_, deliveries)] = await records.fanned_out(3)
    ids = [records.id() for _ in deliveries]
    text = ("email", "ada@univ.example", "Subject", "Text", None)
    for id, one in zip(ids, deliveries, strict=True):
        message = OutboxMessage(id, notification.id, one.id, *text, 5)
        await records.record(notification, one, [], SENT, 5, message)
    page = await ports.outbox.page(OutboxFilter(), limit=2, cursor=None)
    assert [item.id for item in page.items] == [ids[2], ids[1]]
    kept = page.items[0]
    assert (kept.address, kept.subject, kept.text, kept.html, kept.captured_at) == (
        "ada@univ.example",
        "Subject",
        "Text",
        None,
        5,
    )
    assert (kept.notification_id, kept.delivery_id) == (notification.id, deliveries[2].id)
    for wanted, channel, found in (
        (notification.id, "email", 1),
        (notification.id, "sms", 0),
        (records.id(), None, 0),
    ):
        which = OutboxFilter(wanted, channel)
        rest = await ports.outbox.page(which, limit=2, cursor=page.next)
        assert len(rest.items) == found
        assert rest.next is None


async def test_a_batch_ends_without_attempts(ports: Archive, records: Records) -> None:
    notification, [(_, mails), (_, texts)] = await records.fanned_out(3, ("email", "sms"))
    skipped = Finish(DeliveryStatus.skipped, "not offered by kind")
    await ports.deliveries.finish(notification, mails, skipped, 5)
    assert await records.status(notification.id) is NotificationStatus.sending
    await ports.deliveries.finish(notification, texts, skipped, 6)
    assert await records.status(notification.id) is NotificationStatus.completed
    counts = {"email": {"skipped": 3}, "sms": {"skipped": 3}}
    assert await ports.notifications.counts(notification.id) == counts


async def test_waits_that_a_clock_made_too_long_are_reconsidered(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    now, lane = clock.now(), Lane("email", Priority.low)
    waits = (WaitReason.retrying, WaitReason.quiet_hours, WaitReason.breaker_open)
    jobs = []
    for waiting in (*waits, WaitReason.retrying):
        _, [(job, _)] = await records.fanned_out(priority=Priority.low)
        jobs.append(job)
        due = now + (10 if len(jobs) == 4 else 5000)
        await ports.jobs.reschedule(job, Reschedule(due, "a reason", waiting))
    await ports.jobs.reconsider(now + 100, now)
    found = await ports.jobs.waited(lane, now, None, 10)
    assert sorted(each.job.id for each in found) == [jobs[0].id, jobs[2].id]


async def test_deliveries_that_expire_mark_their_notification(
    ports: Archive, records: Records
) -> None:
    notification, [(_, mails), (_, texts)] = await records.fanned_out(1, ("email", "sms"))
    await ports.deliveries.finish(notification, mails, EXPIRED, 5)
    found = await find(ports, notification.id)
    assert (found.status, found.completed_at) == (NotificationStatus.expired, None)
    await records.record(notification, texts[0], [records.attempt()], SENT, 6)
    found = await find(ports, notification.id)
    assert (found.status, found.completed_at) == (NotificationStatus.expired, 6)


async def test_a_gateway_reports_on_a_sent_delivery(ports: Archive, records: Records) -> None:
    notification, [(_, [arrived, lost, queued])] = await records.fanned_out(3, ("sms",))
    for sent in (arrived, lost):
        await records.record(notification, sent, [], SENT, 1)
    await ports.deliveries.confirm(await delivery(ports, arrived.id), notification.kind, 5)
    await ports.deliveries.note_undeliverable(lost.id, "unknown subscriber", 6)
    await ports.deliveries.note_undeliverable(queued.id, "unknown subscriber", 6)
    found = await delivery(ports, arrived.id)
    assert (found.status, found.updated_at) == (DeliveryStatus.delivered, 5)
    found = await delivery(ports, lost.id)
    assert (found.status, found.reason) == (DeliveryStatus.sent, "unknown subscriber")
    assert (await delivery(ports, queued.id)).reason is None
    counts = {"sms": {"sent": 1, "delivered": 1, "queued": 1}}
    assert await ports.notifications.counts(notification.id) == counts


async def test_deliveries_are_listed_with_the_wait_of_their_job(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    notification, [(mail, mails), (_, texts)] = await records.fanned_out(2, ("email", "sms"))
    now = clock.now()
    late = Reschedule(now + 9000, "451 busy")
    await records.record(notification, mails[0], [], late, now)
    await records.record(notification, texts[0], [], SENT, now)

    async def listed(limit: int = 9, **wanted: object) -> list[tuple[UUID, int, str | None]]:
        which = DeliveryFilter(notification.id, **wanted)  # type: ignore[arg-type]  # as each case says
        page = await ports.deliveries.page(which, limit=limit, cursor=None)
        return [(item.id, item.due_at, item.reason) for item in page.items]

    ready = [(mails[1].id, now, None), (mails[0].id, now + 9000, "451 busy")]
    assert await listed(channel="email") == ready
    await ports.jobs.reschedule(mail, Reschedule(now + 5000, "breaker open"))
    waiting = [(mails[1].id, now + 5000, "breaker open"), (mails[0].id, now + 9000, "451 busy")]
    assert await listed(channel="email") == waiting
    assert await listed(status=DeliveryStatus.sent) == [(texts[0].id, now, None)]
    assert await listed(only=frozenset([mails[0].id])) == waiting[1:]
    assert await listed(only=frozenset()) == []
    excluding = frozenset([mails[0].id, texts[1].id])
    assert await listed(status=DeliveryStatus.queued, excluding=excluding) == waiting[:1]
    page = await ports.deliveries.page(DeliveryFilter(), limit=3, cursor=None)
    assert [item.id for item in page.items] == [texts[1].id, texts[0].id, mails[1].id]
    rest = await ports.deliveries.page(DeliveryFilter(), limit=3, cursor=page.next)
    assert [item.id for item in rest.items] == [mails[0].id]
    # A job that is ready says nothing.
    assert (await delivery(ports, mails[1].id)).due_at == now


# --- Cancel and retry --------------------------------------------------------------------------


async def test_cancelling_makes_the_jobs_due_at_once(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    notification, [(job, _)] = await records.fanned_out(2)
    other, _ = await records.accepted()
    await ports.jobs.reschedule(job, Reschedule(clock.now() + 9000, "451 busy"))
    await clock.advance(1)
    await ports.notifications.cancel(notification.id, notification.priority, clock.now())
    found = await find(ports, notification.id)
    assert (found.status, found.completed_at) == (NotificationStatus.cancelled, clock.now())
    [due] = await ports.jobs.waited(EMAIL, clock.now(), None, 9)
    assert due.job.id == job.id
    assert await records.status(other.id) is NotificationStatus.queued
    assert len(await ports.jobs.ready(FAN_OUT, None, 9)) == 1


async def test_results_and_cancellations_take_effect_in_order_of_arrival(
    ports: Archive, records: Records
) -> None:
    for cancel_first, status in (
        (False, NotificationStatus.completed),
        (True, NotificationStatus.cancelled),
    ):
        notification, [(job, [last])] = await records.fanned_out()
        # The two come while another commit is under way, and so are in the next one together.
        other = asyncio.ensure_future(records.accepted())
        for _ in range(3):
            await asyncio.sleep(0)
        cancelling = asyncio.ensure_future(asyncio.sleep(0))
        if cancel_first:
            cancelling = asyncio.ensure_future(
                ports.notifications.cancel(notification.id, notification.priority, 5)
            )
            await asyncio.sleep(0)
        written = records.record(notification, last, [records.attempt()], SENT, 6)
        if not cancel_first:
            cancelling = asyncio.ensure_future(
                ports.notifications.cancel(notification.id, notification.priority, 7)
            )
        await asyncio.gather(written, cancelling, other)
        assert await records.status(notification.id) is status
        assert (await delivery(ports, last.id)).status is DeliveryStatus.sent
        await ports.jobs.finish(job)


async def test_failed_deliveries_are_queued_again(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    notification, [(_, mails), (_, texts)] = await records.fanned_out(3, ("email", "sms"))
    for one in (*mails[:2], texts[0]):
        attempt = records.attempt(AttemptOutcome.rejected)
        await records.record(notification, one, [attempt], FAILED, clock.now())
    for one in (mails[2], *texts[1:]):
        await records.record(notification, one, [records.attempt()], SENT, clock.now())
    await clock.advance(1)
    assert await ports.deliveries.failed(records.id(), NIL, 9) == []
    assert [d.id for d in await ports.deliveries.failed(notification.id, NIL, 2)] == [
        mails[0].id,
        mails[1].id,
    ]
    failed = await ports.deliveries.failed(notification.id, NIL, 9)
    assert [d.id for d in failed] == [mails[0].id, mails[1].id, texts[0].id]
    assert await ports.deliveries.failed(notification.id, mails[1].id, 9) == failed[2:]
    jobs = [
        Job(records.id(), notification.id, Priority.low, "email", turn=8),
        Job(records.id(), notification.id, Priority.low, "sms", turn=9),
    ]
    await ports.notifications.requeue(notification.id, failed, jobs, clock.now())
    found = await find(ports, notification.id)
    assert (found.status, found.completed_at) == (NotificationStatus.sending, None)
    assert jobs[0] in await ports.jobs.ready(EMAIL, None, 9)
    again = await ports.deliveries.queued(jobs[0].id)
    assert [d.id for d in again] == [mails[0].id, mails[1].id]
    assert [(d.attempts, d.first_attempt_at, d.reason) for d in again] == [(1, None, None)] * 2
    assert await ports.notifications.counts(notification.id) == {
        "email": {"sent": 1, "queued": 2},
        "sms": {"sent": 2, "queued": 1},
    }
    for one in (*again, *await ports.deliveries.queued(jobs[1].id)):
        await records.record(notification, one, [records.attempt()], SENT, 9)
    assert await records.status(notification.id) is NotificationStatus.completed


# --- Jobs --------------------------------------------------------------------------------------


async def test_ready_jobs_come_in_turn_and_each_lane_has_its_own(
    ports: Archive, records: Records
) -> None:
    _, third = await records.accepted(turn=2)
    _, first = await records.accepted(turn=1)
    _, second = await records.accepted(turn=1)
    _, urgent = await records.accepted(turn=0, priority=Priority.high)
    await records.accepted(turn=None)
    _, [(mail, _)] = await records.fanned_out()
    assert await ports.jobs.ready(FAN_OUT, None, 9) == [first, second, third]
    assert await ports.jobs.ready(FAN_OUT, None, 2) == [first, second]
    assert await ports.jobs.ready(FAN_OUT, (1, first.id), 9) == [second, third]
    assert await ports.jobs.ready(FAN_OUT, (2, third.id), 9) == []
    assert await ports.jobs.ready(Lane(None, Priority.high), None, 9) == [urgent]
    assert await ports.jobs.ready(EMAIL, None, 9) == [mail]
    await ports.jobs.finish(mail)
    assert await ports.jobs.ready(EMAIL, None, 9) == []
    assert await ports.jobs.channels() == frozenset()


async def test_waiting_jobs_come_when_they_are_due(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    now = clock.now()
    _, later = await records.accepted(turn=None, due_at=now + 20)
    _, soon = await records.accepted(turn=None, due_at=now + 10)
    _, ready = await records.accepted(turn=0, due_at=now)
    await records.accepted(turn=None, due_at=now + 5, priority=Priority.high)
    urgent, lanes = Lane(None, Priority.high), (FAN_OUT, EMAIL, Lane(None, Priority.high))
    assert await ports.jobs.oldest_due(lanes) == {FAN_OUT: now, urgent: now + 5}
    await ports.jobs.finish(ready)
    assert await ports.jobs.oldest_due(lanes) == {FAN_OUT: now + 10, urgent: now + 5}
    assert await ports.jobs.oldest_due([]) == {}
    assert await ports.jobs.waited(FAN_OUT, now, None, 9) == []
    assert await ports.jobs.next_due(FAN_OUT, now) == now + 10
    first = ScheduledJob(soon, now + 10, None)
    second = ScheduledJob(later, now + 20, None)
    assert await ports.jobs.waited(FAN_OUT, now + 10, None, 9) == [first]
    assert await ports.jobs.next_due(FAN_OUT, now + 10) == now + 20
    assert await ports.jobs.waited(FAN_OUT, now + 20, None, 9) == [first, second]
    assert await ports.jobs.waited(FAN_OUT, now + 20, None, 1) == [first]
    after = (first.due_at, soon.id)
    assert await ports.jobs.waited(FAN_OUT, now + 20, after, 9) == [second]
    assert await ports.jobs.next_due(FAN_OUT, now + 20) is None


async def test_a_rescheduled_job_loses_its_turn(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    _, [(job, deliveries)] = await records.fanned_out(3)
    due = clock.now() + 500
    await ports.jobs.reschedule(job, Reschedule(due, "breaker open"))
    assert await ports.jobs.ready(EMAIL, None, 9) == []
    assert await ports.jobs.waited(EMAIL, due - 1, None, 9) == []
    assert await ports.jobs.waited(EMAIL, due, None, 9) == [
        ScheduledJob(replace(job, turn=None), due, "breaker open", WaitReason.retrying)
    ]
    assert await ports.deliveries.queued(job.id) == deliveries


# --- Registers ---------------------------------------------------------------------------------


async def test_devices(ports: Archive, records: Records) -> None:
    phone = Device(records.id(), DeviceType.webpush, "https://push.example/1", "key", "auth")
    topic = Device(records.id(), DeviceType.ntfy, "flash")
    for device in (phone, topic):
        await ports.devices.register(RegisteredDevice(device, "Ada's", 5))
    assert await ports.devices.find(phone.id) == RegisteredDevice(phone, "Ada's", 5)
    renewed = replace(phone, id=records.id(), p256dh="new")
    await ports.devices.register(RegisteredDevice(renewed, "Eve's", 9))
    kept = RegisteredDevice(replace(phone, p256dh="new"), "Eve's", 5)
    assert await ports.devices.find_target("webpush", phone.target) == kept
    assert await ports.devices.find_target("ntfy", phone.target) is None
    assert await ports.devices.find(renewed.id) is None
    found = await ports.devices.find_all([topic.id, renewed.id, phone.id])
    assert found == {topic.id: topic, phone.id: kept.device}
    page = await ports.devices.page(limit=1, cursor=None)
    assert page.items == [RegisteredDevice(topic, "Ada's", 5)]
    assert (await ports.devices.page(limit=1, cursor=page.next)).items == [kept]
    await ports.devices.remove(topic.id)
    assert await ports.devices.find(topic.id) is None


async def test_a_device_that_is_gone_is_removed_with_the_result(
    ports: Archive, records: Records
) -> None:
    device = Device(records.id(), DeviceType.ntfy, "flash")
    await ports.devices.register(RegisteredDevice(device, None, 5))
    notification, [(_, [push])] = await records.fanned_out(1, ("push",))
    end = Finish(DeliveryStatus.failed, "410 gone", drop_device=device.id)
    await records.record(notification, push, [records.attempt()], end, 5)
    assert await ports.devices.find(device.id) is None


async def test_api_keys(ports: Archive) -> None:
    second = ApiKey("b", "Library", b"2", frozenset(["read"]), Priority.low, 5, expires_at=9)
    first = ApiKey("a", "Ada", b"1", frozenset(["read", "notify:*"]), Priority.critical, 5)
    for key in (second, first):
        await ports.api_keys.add(key, entry(ord(key.id)))
    with pytest.raises(WriteRefused):
        await ports.api_keys.add(first, entry(6))
    assert await ports.api_keys.find("a") == first
    assert await ports.api_keys.find("c") is None
    assert await ports.api_keys.all() == [first, second]
    await ports.api_keys.record_use("a", 7, "192.0.2.1")
    await ports.api_keys.rotate("a", b"3", 60, entry(7))
    await ports.api_keys.revoke("a", 8, entry(8))
    await ports.api_keys.revoke("a", 9, entry(9))
    assert await ports.api_keys.find("a") == replace(
        first,
        last_used_at=7,
        last_used_from="192.0.2.1",
        secret_hmac=b"3",
        previous_hmac=b"1",
        previous_expires_at=60,
        revoked_at=8,
    )


async def test_the_recipients_of_a_key_are_counted_with_its_notifications(
    ports: Archive, records: Records
) -> None:
    key = ApiKey("a", "Ada", b"1", frozenset(["read"]), Priority.low, 5)
    await ports.api_keys.add(key, entry(5))
    for day, number, reached in (("2026-12-01", 3, 3), ("2026-12-01", 4, 7), ("2026-12-02", 1, 1)):
        notification, job = records.notification(), Job(records.id(), NIL, Priority.low, turn=0)
        job = replace(job, notification_id=notification.id)
        counted = DailyRecipients("a", day, number)
        await ports.notifications.accept(notification, ScheduledJob(job, 5), None, counted)
        found = await ports.api_keys.find("a")
        assert found == replace(key, recipients_day=day, recipients_reached=reached)


def entry(at: int) -> AuditEntry:
    """Return an entry of the audit log."""
    return AuditEntry(at, at, "local", None, "key.changed", None, {}, b"", b"")


async def test_changes_are_events_in_the_order_of_commits(ports: Archive, records: Records) -> None:
    commits: list[int] = []
    assert await ports.events.last() == 0
    ports.events.on_commit(lambda: commits.append(1))
    notification, [(_, [mail, _other])] = await records.fanned_out(2)
    await records.record(notification, mail, [records.attempt()], SENT, 5)
    await ports.notifications.cancel(notification.id, notification.priority, 6)
    events = await ports.events.after(0, 9)
    assert [(e.type, e.status, e.delivery_id, e.channel) for e in events] == [
        ("notification", "queued", None, None),
        ("notification", "sending", None, None),
        ("delivery", "sent", mail.id, "email"),
        ("notification", "cancelled", None, None),
    ]
    assert {e.notification_id for e in events} == {notification.id}
    assert [e.at for e in events[2:]] == [5, 6]
    assert await ports.events.last() == events[-1].id
    assert await ports.events.after(events[0].id, 2) == events[1:3]
    assert len(commits) >= 4


async def test_statistics(ports: Archive, records: Records, clock: ManualClock) -> None:
    start = clock.now()
    notification, [(_, [mail]), (_, [text])] = await records.fanned_out(1, ("email", "sms"))
    slow = records.attempt(AttemptOutcome.retryable, duration=0.3)
    await records.record(notification, mail, [slow, records.attempt()], SENT, start)
    unsent = records.attempt(AttemptOutcome.error, transport="-", tracked=False)
    await records.record(notification, text, [unsent], FAILED, start)
    assert await ports.statistics.totals(start - start % 600_000) == [
        Total("academic", "", ACCEPTED, 1),
        Total("academic", "email", "sent", 1),
        Total("academic", "sms", "failed", 1),
    ]
    [latency] = await ports.statistics.latencies(start - start % 60_000)
    assert latency == Latency("email", "smtp://mail", 2, 1, {7: 1, 11: 1})
    await clock.advance(3600)
    assert await ports.statistics.totals(clock.now()) == []
    assert await ports.statistics.latencies(clock.now()) == []
    await ports.deliveries.confirm(replace(mail, status=DeliveryStatus.sent), "academic", start)
    assert Total("academic", "email", "delivered", 1) in await ports.statistics.totals(0)


# --- Purges ------------------------------------------------------------------------------------


async def test_old_notifications_are_purged_with_everything_that_refers_to_them(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    notification, [(_, [mail])] = await records.fanned_out()
    message = OutboxMessage(
        records.id(), notification.id, mail.id, "email", "a@univ.example", None, "Text", None, 5
    )
    await records.record(notification, mail, [records.attempt()], SENT, clock.now(), message)
    unfinished, _ = await records.accepted()
    before = clock.now()
    assert not await ports.maintenance.purge_notifications("academic", (), before, 9)
    await clock.advance(1)
    assert not await ports.maintenance.purge_notifications("security", (), clock.now(), 9)
    while await ports.maintenance.purge_notifications("academic", (), clock.now(), 9):
        pass
    assert await ports.notifications.find(notification.id) is None
    assert await ports.deliveries.find(mail.id) is None
    assert (await ports.deliveries.attempts([mail.id], latest=9))[mail.id] == {}
    assert await ports.notifications.counts(notification.id) == {}
    page = await ports.outbox.page(OutboxFilter(), limit=9, cursor=None)
    assert page.items == []
    assert await records.status(unfinished.id) is NotificationStatus.queued


async def test_notifications_of_removed_kinds_are_purged(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    kept, _ = await records.fanned_out(0)
    for kind in ("cafeteria", "zoology"):
        await records.fanned_out(0, kind=kind)
    await clock.advance(1)
    known = ("academic", "security")
    purged = 0
    while await ports.maintenance.purge_notifications(None, known, clock.now(), 9):
        purged += 1
    assert 1 <= purged <= 2
    page = await ports.notifications.page(NotificationFilter(), limit=9, cursor=None)
    assert [item.id for item in page.items] == [kept.id]


async def test_old_idempotency_keys_are_purged(ports: Archive, records: Records) -> None:
    for number in range(5):
        notification = records.notification()
        job = ScheduledJob(Job(records.id(), notification.id, Priority.low), 0)
        answer = IdempotencyRecord(
            "local", f"{number}", b"", notification.id, notification.status, number
        )
        await ports.notifications.accept(notification, job, answer)
    assert await ports.maintenance.purge_idempotency_keys(3, 2)
    assert await ports.maintenance.purge_idempotency_keys(3, 2)
    assert not await ports.maintenance.purge_idempotency_keys(3, 2)
    kept = [await ports.notifications.idempotent_answer("local", f"{n}") for n in range(5)]
    assert [answer is not None for answer in kept] == [False, False, False, True, True]


async def test_the_last_events_are_kept(ports: Archive, records: Records) -> None:
    for _ in range(6):
        await records.accepted()
    last = await ports.events.last()
    assert await ports.maintenance.purge_events(3, 2)
    assert [event.id for event in await ports.events.after(0, 9)] == [
        last - 3,
        last - 2,
        last - 1,
        last,
    ]
    assert await ports.maintenance.purge_events(3, 2)
    assert not await ports.maintenance.purge_events(3, 2)
    assert len(await ports.events.after(0, 9)) == 3
    assert await ports.events.last() == last


async def test_statistics_are_purged_a_span_at_a_time(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    for _ in range(3):
        notification, [(_, [mail])] = await records.fanned_out()
        await records.record(notification, mail, [records.attempt()], SENT, clock.now())
        await clock.advance(3600)
    before = clock.now() - 3600 * 1000
    for purge in (ports.maintenance.purge_totals, ports.maintenance.purge_latencies):
        assert await purge(before, 1800 * 1000)
        assert await purge(before, 1800 * 1000)
        assert not await purge(before, 1800 * 1000)
    assert [total.number for total in await ports.statistics.totals(0)] == [1, 1]
    assert [latency.attempts for latency in await ports.statistics.latencies(0)] == [1]


async def test_statistics_are_kept_by_longer_spans(
    ports: Archive, records: Records, clock: ManualClock
) -> None:
    statistics, maintenance, hour = ports.statistics, ports.maintenance, 3600 * 1000
    await clock.advance(3600 - clock.now() / 1000 % 3600)
    start = clock.now()
    # Twice in the first hour, once at the beginning of it; and once in the second.
    for seconds in (1800, 3000, 3600):
        notification, [(_, [mail])] = await records.fanned_out()
        failed = records.attempt(AttemptOutcome.retryable)
        await records.record(notification, mail, [failed, records.attempt()], SENT, clock.now())
        await clock.advance(seconds)
    found = await statistics.totals(0), await statistics.latencies(0)
    for coarsen in (maintenance.coarsen_totals, maintenance.coarsen_latencies):
        assert await coarsen(start + hour, hour)
        assert not await coarsen(start + hour, hour)
    assert (await statistics.totals(0), await statistics.latencies(0)) == found
    for since, number in ((start, 3), (start + 1, 1), (start + hour, 1)):
        assert {total.number for total in await statistics.totals(since)} == {number}
        assert [each.failures for each in await statistics.latencies(since)] == [number]


async def test_an_archive_can_be_pinged_and_is_not_overloaded(ports: Archive) -> None:
    await ports.ping()
    assert not ports.overloaded
