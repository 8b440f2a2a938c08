"""A batch's way through the executor: how many writes and attempts there are, and which."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from structlog.testing import capture_logs

from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.sms.channel import SMSMixin
from flashnotify.delivery import executor
from flashnotify.domain import (
    Captured,
    DeliveryStatus,
    Message,
    NotificationStatus,
    Priority,
    Rendering,
    Sent,
)
from flashnotify.errors import (
    Misconfigured,
    Rejected,
    Retryable,
    Unavailable,
    Unreachable,
    WriteRefused,
)
from tests.support.delivering import KINDS, Delivering, ScriptedTransport, gate
from tests.support.eventually import eventually
from tests.support.loop_turns import some_turns
from tests.support.manual_clock import ManualClock

TWO = ("mailto:a@univ.example", "mailto:b@univ.example")
SECOND = 1000


async def test_each_result_is_one_write_and_the_job_ends_with_one(delivering: Delivering) -> None:
    (job,) = await delivering.batches(*TWO)
    assert await delivering.execute(job) is None
    assert delivering.archive.writes == ["deliveries.record"] * 2 + ["jobs.finish"]
    assert delivering.statuses() == [
        ("a@univ.example", "sent", None),
        ("b@univ.example", "sent", None),
    ]
    assert [delivering.attempts(d.id) for d in delivering.deliveries()] == [[("sent", "ok")]] * 2
    stored = delivering.archive.state.notifications[job.notification_id]
    assert stored.status is NotificationStatus.completed


@pytest.mark.parametrize(("deliveries", "released"), [(1, 1), (10, 1), (11, 0)])
async def test_a_worker_waits_for_the_results_of_a_large_batch_only(
    delivering: Delivering, deliveries: int, released: int
) -> None:
    """Too many results that wait to be written would have the service refuse new work."""
    (job,) = await delivering.batches(*(f"mailto:a{n}@univ.example" for n in range(deliveries)))
    writes: list[int] = []
    delivering.release = lambda: writes.append(len(delivering.transports["email"][0].sent))
    await delivering.execute(job)
    assert writes == [deliveries] * released


async def test_a_captured_message_is_kept_with_its_result(delivering: Delivering) -> None:
    captured = Captured("email", "a@univ.example", "Fire", "Leave", None)
    delivering.open(EmailMixin, [Sent("kept", captured=captured)])
    (job,) = await delivering.batches()
    await delivering.execute(job)
    (message,) = delivering.archive.state.outbox.values()
    assert (message.subject, message.delivery_id) == ("Fire", delivering.deliveries()[0].id)
    assert delivering.archive.writes == ["deliveries.record"], "the end of the job is part of it"
    assert delivering.archive.state.jobs == {}


async def test_deliveries_that_fail_for_good_leave_one_line_without_addresses(
    delivering: Delivering,
) -> None:
    delivering.open(EmailMixin, [Rejected("550 no mailbox for a@univ.example")] * 2)
    (job,) = await delivering.batches(*TWO)
    with capture_logs() as logs:
        await delivering.execute(job)
    (line,) = [entry for entry in logs if entry["event"] == "deliveries.failed"]
    first, _ = delivering.deliveries()
    assert (line["log_level"], line["channel"], line["outcome"]) == ("warning", "email", "rejected")
    assert (line["notification"], line["deliveries"]) == (str(job.notification_id), 2)
    assert line["first"] == str(first.id)
    assert "univ.example" not in str(line)


async def test_content_is_prepared_once_for_all_recipients(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[object] = []
    prepare = EmailMixin.prepare

    def counting(rendering: Rendering, config: Any) -> Any:
        prepared.append(rendering)
        return prepare(rendering, config)

    monkeypatch.setattr(EmailMixin, "prepare", counting)
    (job,) = await delivering.batches(*(f"mailto:p{n}@univ.example" for n in range(20)))
    await delivering.execute(job)
    assert len(prepared) == 1
    assert [status[1] for status in delivering.statuses()] == ["sent"] * 20


async def test_a_refusal_for_now_waits_in_the_batch(
    delivering: Delivering, clock: ManualClock
) -> None:
    delivering.open(EmailMixin, [Retryable("busy", after=60)])
    (job,) = await delivering.batches(*TWO)
    due = await delivering.execute(job)
    assert due is not None
    assert 60 * SECOND <= due - clock.now() <= 62 * SECOND
    assert delivering.archive.writes == ["deliveries.record"] * 2 + ["jobs.reschedule"]
    assert delivering.statuses() == [
        ("a@univ.example", "queued", "busy"),
        ("b@univ.example", "sent", None),
    ]
    # Before its time the delivery is left alone, at no cost but the job's.
    delivering.archive.writes.clear()
    assert await delivering.execute(job) == due
    assert delivering.archive.writes == ["jobs.reschedule"]
    await clock.advance(62)
    assert await delivering.execute(job) is None
    assert [delivering.attempts(d.id) for d in delivering.deliveries()] == [
        [("retryable", "busy"), ("sent", "ok")],
        [("sent", "ok")],
    ]


async def test_the_next_transport_sends_a_message_that_the_first_refuses_for_now(
    delivering: Delivering,
) -> None:
    first, second = delivering.open(EmailMixin, [Retryable("busy"), Rejected("no")], [])
    (job,) = await delivering.batches(*TWO)
    assert await delivering.execute(job) is None
    assert first.sent == ["a@univ.example", "b@univ.example"]
    assert second.sent == ["a@univ.example"]
    assert delivering.statuses() == [
        ("a@univ.example", "sent", None),
        ("b@univ.example", "failed", "no"),
    ]
    assert [len(delivering.attempts(d.id)) for d in delivering.deliveries()] == [2, 1]


async def test_an_open_breaker_costs_one_write_and_no_attempt(
    delivering: Delivering, clock: ManualClock
) -> None:
    (transport,) = delivering.open(EmailMixin, [Misconfigured("no such user")])
    (first,) = await delivering.batches()
    await delivering.execute(first)
    (job,) = await delivering.batches(*TWO)
    before = delivering.deliveries()
    assert await delivering.execute(job) == clock.now() + 30 * SECOND
    assert delivering.archive.writes == ["jobs.reschedule"]
    assert delivering.deliveries() == before
    assert transport.sent == ["a@univ.example"]
    stored = delivering.archive.state.jobs[job.id]
    assert stored.reason == "waits for the transport to work again"


async def test_a_hanging_probe_keeps_other_batches_waiting_at_its_pace(
    delivering: Delivering, clock: ManualClock
) -> None:
    reached, go_on, wait = gate()
    (transport,) = delivering.open(EmailMixin, [Misconfigured("no"), wait])
    (first,) = await delivering.batches("mailto:first@univ.example")
    await delivering.execute(first)
    await clock.advance(30)
    probing, waiting = [(await delivering.batches(*TWO))[0] for _ in range(2)]
    probe = asyncio.create_task(delivering.execute(probing))
    await reached.wait()
    assert await delivering.execute(waiting) == clock.now() + 30 * SECOND
    assert delivering.archive.writes == ["jobs.reschedule"]
    assert transport.sent == ["first@univ.example", "a@univ.example"]
    go_on.set()
    # The probe's own batch goes on at once: the transport works again.
    assert await probe == clock.now()
    assert await delivering.execute(probing) is None
    assert transport.sent == ["first@univ.example", "a@univ.example", "b@univ.example"]


async def test_a_breaker_that_opens_meanwhile_stops_the_batch(delivering: Delivering) -> None:
    count = 20
    (transport,) = delivering.open(EmailMixin, [Unreachable("down")] * count)
    transport.connections = type(transport.connections)(1)
    (job,) = await delivering.batches(*(f"mailto:p{n}@univ.example" for n in range(count)))
    await delivering.execute(job)
    assert len(transport.sent) == 5  # what opens the breaker
    assert delivering.archive.writes == ["deliveries.record"] * 5 + ["jobs.reschedule"]


async def test_the_breaker_is_asked_before_the_connection_is_waited_for(
    delivering: Delivering,
) -> None:
    reached, go_on, wait = gate()
    first, second = delivering.open(EmailMixin, [wait], [])
    first.connections = type(first.connections)(1)
    (hanging,), (job,) = [await delivering.batches() for _ in range(2)]
    hangs = asyncio.create_task(delivering.execute(hanging))
    await reached.wait()
    delivering.channels["email"].transports[0].breaker.misconfigure("down")
    # Its only connection is taken, and is not waited for.
    assert await delivering.execute(job) is None
    assert second.sent == ["a@univ.example"]
    go_on.set()
    await hangs


async def test_quiet_hours_cost_one_write_and_no_attempt(
    delivering: Delivering, clock: ManualClock
) -> None:
    (job,) = await delivering.batches("tel:+33612345678")
    until_night = (22 * 3600 - clock.now() // 1000) % 86400
    await clock.advance(until_night)
    assert await delivering.execute(job) == clock.now() + 9 * 3600 * SECOND
    assert delivering.archive.writes == ["jobs.reschedule"]
    assert delivering.attempts(delivering.deliveries()[0].id) == []
    await clock.advance(9 * 3600)
    assert await delivering.execute(job) is None


async def test_expiry_ends_in_one_write(delivering: Delivering, clock: ManualClock) -> None:
    (job,) = await delivering.batches(*TWO, expires_at=clock.now() + 10 * SECOND)
    await clock.advance(10)
    assert await delivering.execute(job) is None
    assert delivering.archive.writes == ["deliveries.finish", "jobs.finish"]
    assert [status[1:] for status in delivering.statuses()] == [("skipped", "expired")] * 2
    stored = delivering.archive.state.notifications[job.notification_id]
    assert stored.status is NotificationStatus.expired


async def test_waiting_for_a_breaker_ends_when_the_notification_expires(
    delivering: Delivering, clock: ManualClock
) -> None:
    delivering.open(EmailMixin, [Misconfigured("no")])
    (first,) = await delivering.batches()
    await delivering.execute(first)
    (job,) = await delivering.batches(expires_at=clock.now() + 10 * SECOND)
    assert await delivering.execute(job) == clock.now() + 10 * SECOND
    await clock.advance(10)
    assert await delivering.execute(job) is None
    assert delivering.statuses()[-1] == ("a@univ.example", "skipped", "expired")


async def test_a_cancelled_batch_ends_in_one_write(
    delivering: Delivering, clock: ManualClock
) -> None:
    (job,) = await delivering.batches(*TWO)
    await delivering.archive.notifications.cancel(job.notification_id, job.priority, clock.now())
    delivering.archive.writes.clear()
    assert await delivering.execute(job) is None
    assert delivering.archive.writes == ["deliveries.finish", "jobs.finish"]
    assert [status[1] for status in delivering.statuses()] == ["cancelled"] * 2


async def test_a_cancel_stops_a_batch_between_two_messages(delivering: Delivering) -> None:
    reached, go_on, wait = gate()
    (transport,) = delivering.open(EmailMixin, [wait])
    transport.connections = type(transport.connections)(1)
    (job,) = await delivering.batches(*TWO)
    running = asyncio.create_task(delivering.execute(job))
    await reached.wait()
    (sending,) = delivering.in_flight.sending(job.notification_id)
    assert sending == delivering.deliveries()[0].id
    delivering.in_flight.cancel(job.notification_id)
    go_on.set()
    await running
    assert transport.sent == ["a@univ.example"]
    assert [status[1] for status in delivering.statuses()] == ["sent", "cancelled"]


async def test_a_delivery_that_waits_when_its_notification_is_cancelled_ends_at_once(
    delivering: Delivering, clock: ManualClock
) -> None:
    """Not when it would have been attempted again."""
    reached, go_on, wait = gate()
    delivering.open(EmailMixin, [Retryable("busy", after=3600), wait])
    (job,) = await delivering.batches(*TWO)
    running = asyncio.create_task(delivering.execute(job))
    await reached.wait()
    delivering.in_flight.cancel(job.notification_id)
    await delivering.archive.notifications.cancel(job.notification_id, job.priority, clock.now())
    go_on.set()
    assert await running == clock.now()
    assert await delivering.execute(job) is None
    assert [status[1] for status in delivering.statuses()] == ["cancelled", "sent"]


async def test_a_channel_that_the_kind_lost_is_skipped(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = await delivering.batches("tel:+33612345678")
    monkeypatch.delitem(KINDS["alert"].channels, "sms")
    assert await delivering.execute(job) is None
    assert delivering.statuses() == [("+33612345678", "skipped", "not offered by kind")]


async def test_a_channel_without_transports_fails_with_a_reason(delivering: Delivering) -> None:
    delivering.open(SMSMixin)
    (job,) = await delivering.batches("tel:+33612345678")
    assert await delivering.execute(job) is None
    (status,) = delivering.statuses()
    assert status[1:] == ("failed", "no transport in the settings serves this address")


async def test_a_damaged_notification_is_an_attempt_and_retried(
    delivering: Delivering, clock: ManualClock
) -> None:
    (job,) = await delivering.batches()
    delivering.archive.damage(job.notification_id)
    due = await delivering.execute(job)
    assert due is not None
    (delivery,) = delivering.deliveries()
    assert delivering.attempts(delivery.id) == [("error", "internal error: ValueError")]
    # Repaired, it goes out.
    delivering.archive.state.damaged.clear()
    await clock.advance(2)
    assert await delivering.execute(job) is None
    assert delivering.statuses() == [("a@univ.example", "sent", None)]


async def test_an_unrenderable_batch_follows_the_retry_policy(
    delivering: Delivering, clock: ManualClock
) -> None:
    """A field of the kind was removed while the notification was scheduled."""
    (job,) = await delivering.batches(*TWO, data={"gone": "x"})
    waits = []
    while (due := await delivering.execute(job)) is not None:
        waits.append((due - clock.now()) / SECOND)
        assert due > clock.now() or waits[-1] == 0
        await clock.advance(max(waits[-1], 0.001))
    for delivery in delivering.deliveries():
        attempts = delivering.attempts(delivery.id)
        assert set(attempts) == {("error", "internal error: ValueError")}
        # Both come back together: no attempt is made before its time.
        assert len(attempts) == len(waits) + 1
    # 2 s doubling to 10 min: in 24 h at least 144, and far fewer than one a second.
    assert 144 < len(waits) < 1000
    assert all(wait <= min(600, 2 * 2**number) for number, wait in enumerate(waits))
    assert {status[1] for status in delivering.statuses()} == {"failed"}


async def test_only_due_deliveries_get_an_attempt_when_a_batch_fails(
    delivering: Delivering, clock: ManualClock
) -> None:
    delivering.open(EmailMixin, [Retryable("busy", after=3600)])
    (job,) = await delivering.batches(*TWO)
    await delivering.execute(job)
    waiting, sent = delivering.deliveries()
    # The rest of the batch fails before the first is due.
    state = delivering.archive.state
    state.put_delivery(replace(sent, status=DeliveryStatus.queued))
    state.put_notification(replace(state.notifications[job.notification_id], data={"gone": 1}))
    await delivering.execute(job)
    assert delivering.attempts(waiting.id) == [("retryable", "busy")]
    assert delivering.attempts(sent.id)[-1] == ("error", "internal error: ValueError")


async def test_a_result_is_written_in_the_end(delivering: Delivering, clock: ManualClock) -> None:
    (job,) = await delivering.batches()
    delivering.archive.refuse_write(Unavailable("disk full", retry_after=5))
    running = asyncio.create_task(delivering.execute(job))
    await some_turns()
    assert delivering.archive.writes == []
    await clock.advance(5)
    assert await running is None
    assert delivering.archive.writes == ["deliveries.record"]
    assert delivering.archive.state.jobs == {}
    assert delivering.transports["email"][0].sent == ["a@univ.example"]


async def test_results_that_were_not_written_wait_together(
    delivering: Delivering, clock: ManualClock
) -> None:
    """One after the other, a full batch would hold its worker for a quarter of an hour."""
    to = [f"mailto:p{n}@univ.example" for n in range(20)]
    (job,) = await delivering.batches(*to)
    for _ in to:
        delivering.archive.refuse_write(Unavailable("disk full", retry_after=5))
    running = asyncio.create_task(delivering.execute(job))
    await some_turns()
    assert delivering.archive.writes == []
    await clock.advance(5)
    await some_turns()
    assert running.done()
    assert delivering.archive.writes == ["deliveries.record"] * 20 + ["jobs.finish"]
    assert sorted(delivering.transports["email"][0].sent) == sorted(
        address.removeprefix("mailto:") for address in to
    )


async def test_a_result_that_cannot_be_stored_ends_the_delivery(delivering: Delivering) -> None:
    (job,) = await delivering.batches()
    delivering.archive.refuse_write(WriteRefused("too big"))
    assert await delivering.execute(job) is None
    assert delivering.statuses()[0][1] == "failed"
    assert delivering.transports["email"][0].sent == ["a@univ.example"]


async def test_a_bug_in_a_transport_is_an_attempt_and_no_fault_of_the_transport(
    delivering: Delivering,
) -> None:
    delivering.open(EmailMixin, [ZeroDivisionError()] * 20)
    to = [f"mailto:p{n}@univ.example" for n in range(20)]
    (job,) = await delivering.batches(*to)
    await delivering.execute(job)
    assert {tuple(delivering.attempts(d.id)) for d in delivering.deliveries()} == {
        (("error", "internal error: ZeroDivisionError"),)
    }
    assert delivering.channels["email"].wait(None, urgent=False) == 0


async def test_urgent_jobs_may_use_every_connection(delivering: Delivering) -> None:
    (transport,) = delivering.open(EmailMixin, [gate()[2] for _ in range(100)])
    total = transport.connections.total
    for priority, most in ((Priority.low, total - transport.connections.reserved),):
        to = [f"mailto:p{n}@univ.example" for n in range(50)]
        (job,) = await delivering.batches(*to, priority=priority)
        running = asyncio.create_task(delivering.execute(job))
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(transport.sent) == most
        running.cancel()
        await asyncio.wait({running})


async def test_a_result_that_cannot_be_stored_after_a_wait_ends_the_delivery_too(
    delivering: Delivering, clock: ManualClock
) -> None:
    """It must not be sent again and again."""
    (job,) = await delivering.batches()
    delivering.archive.refuse_write(Unavailable("disk full", retry_after=5))
    delivering.archive.refuse_write(WriteRefused("too big"))
    running = asyncio.create_task(delivering.execute(job))
    await some_turns()
    await clock.advance(5)
    assert await running is None
    (status,) = delivering.statuses()
    assert status[1:] == ("failed", "its result could not be stored; see the log")
    assert delivering.archive.writes == ["deliveries.finish", "jobs.finish"]


async def test_a_message_that_a_breaker_refused_gets_no_attempt_when_the_batch_fails(
    delivering: Delivering, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (transport,) = delivering.open(EmailMixin, [Misconfigured("no")])
    monkeypatch.setattr(transport, "service", lambda message: message.to)
    (job,) = await delivering.batches("mailto:down@univ.example")
    await delivering.execute(job)

    def serves(message: Message) -> bool:
        if message.to == "bug@univ.example":
            raise ZeroDivisionError
        return True

    monkeypatch.setattr(transport, "serves", serves)
    to = ("mailto:up@univ.example", "mailto:down@univ.example", "mailto:bug@univ.example")
    (job,) = await delivering.batches(*to)
    await delivering.execute(job)
    attempts = {d.address: delivering.attempts(d.id) for d in delivering.deliveries()[1:]}
    assert attempts == {
        "up@univ.example": [("sent", "ok")],
        "down@univ.example": [],
        "bug@univ.example": [("error", "internal error: ZeroDivisionError")],
    }


class Strangers(NamedTuple):
    """A transport of which each domain is a service, and an answer that waits for `hung`."""

    transport: ScriptedTransport
    hung: asyncio.Event

    async def hang(self) -> Sent:
        await self.hung.wait()
        raise Unreachable("no answer")


@pytest.fixture
def strangers(delivering: Delivering, monkeypatch: pytest.MonkeyPatch) -> Strangers:
    (transport,) = delivering.open(EmailMixin, [])
    transport.connections = type(transport.connections)(64)
    monkeypatch.setattr(transport, "service", lambda message: message.to.partition("@")[2])
    return Strangers(transport, asyncio.Event())


async def test_strangers_services_that_hang_hold_up_neither_the_others_nor_the_batch(
    delivering: Delivering,
    strangers: Strangers,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executor, "_FIRST_CONTACT_WAIT", 0)
    transport = strangers.transport
    (first,) = await delivering.batches("mailto:first@known.example")
    await delivering.execute(first)
    transport.script.extend([strangers.hang] * 8)
    hanging = [f"mailto:a@{number}.example" for number in range(30)]
    (job,) = await delivering.batches(*hanging, "mailto:last@known.example")
    running = asyncio.create_task(delivering.execute(job))
    await eventually(lambda: "last@known.example" in transport.sent)
    assert len(transport.sent) == 1 + 8 + 1
    strangers.hung.set()
    # The batch comes back at once for those that were not attempted.
    assert await running == clock.now()
    assert [status[1] for status in delivering.statuses()].count("queued") == 30


async def test_batches_at_strangers_services_leave_workers_to_the_others(
    delivering: Delivering, strangers: Strangers, clock: ManualClock
) -> None:
    transport = strangers.transport
    known = [await delivering.batches("mailto:first@known.example") for _ in range(2)]
    await delivering.execute(known[0][0])
    transport.script.extend([strangers.hang] * 4)
    jobs = [(await delivering.batches(f"mailto:a@{number}.example"))[0] for number in range(6)]
    running = [asyncio.create_task(delivering.execute(job)) for job in jobs]
    await eventually(lambda: sum(task.done() for task in running) == 2)
    assert all(1000 <= (task.result() or 0) - clock.now() < 5000 for task in running if task.done())
    await delivering.execute(known[1][0])
    assert transport.sent.count("first@known.example") == 2
    strangers.hung.set()
    await asyncio.gather(*running)


async def test_batches_that_are_turned_away_come_back_in_line(
    delivering: Delivering, strangers: Strangers
) -> None:
    """All at once, they would keep the workers and the scheduler busy with nothing else."""
    strangers.transport.script.extend([strangers.hang] * 4)
    jobs = [(await delivering.batches(f"mailto:a@{number}.example"))[0] for number in range(54)]
    running = [asyncio.create_task(delivering.execute(job)) for job in jobs]
    await eventually(lambda: sum(task.done() for task in running) == 50)
    turns = Counter(task.result() or 0 for task in running if task.done())
    assert all(turn % 1000 == 0 for turn in turns)
    assert max(turns.values()) <= 10
    strangers.hung.set()
    await asyncio.gather(*running)


async def test_a_service_that_answered_is_known_however_many_strangers_come(
    delivering: Delivering, strangers: Strangers
) -> None:
    (first,) = await delivering.batches("mailto:first@known.example")
    await delivering.execute(first)
    channel = delivering.channels["email"]
    (known,) = channel.transports[0].services.values()
    for number in range(2000):
        channel.transports[0].services[str(number)] = replace(
            known, breaker=known.breaker.sibling()
        )
    assert channel.transports[0].services["known.example"] is known
