"""Every decision before an attempt, and their precedence."""

from dataclasses import replace

import pytest

from flashnotify.archive.records import Finish, Reschedule
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.sms.channel import SMSMixin
from flashnotify.delivery.batch import Batch
from flashnotify.delivery.decision import (
    BREAKER_OPEN,
    CANCELLED,
    CLOCK,
    EXPIRED,
    QUIET,
    SKIPPED,
    UNSERVED,
    Decider,
)
from flashnotify.domain import Job, Message, NotificationStatus, Priority, Rendering
from tests.support.delivering import KINDS, Delivering
from tests.support.manual_clock import ManualClock

SECOND = 1000
HOUR = 3600 * SECOND
SMS = "tel:+33612345678"


@pytest.fixture
def decider(delivering: Delivering) -> Decider:
    return delivering.decider


async def load(delivering: Delivering, to: str = "mailto:a@univ.example", **more: object) -> Batch:
    """Return a batch of one delivery, as it is before the first step."""
    (job,) = await delivering.batches(to, **more)
    state = delivering.archive.state
    notification = state.notifications[job.notification_id]
    channel = delivering.channels.get(str(job.channel))
    return Batch(job, notification, KINDS.get(notification.kind), channel, due={}, waiting=())


def decide(
    delivering: Delivering, decider: Decider, batch: Batch, message: Message | None = None
) -> Finish | Reschedule | None:
    """Decide, as the executor does, while a worker holds the job."""
    with delivering.in_flight.job(batch.job):
        return decider.decide(batch, message)


def message(job: Job, to: str = "a@univ.example") -> Message:
    return Message(job.id, to, Rendering("en", {}), 0, priority=job.priority)


async def test_a_batch_may_go(delivering: Delivering, decider: Decider) -> None:
    batch = await load(delivering)
    assert decide(delivering, decider, batch) is None
    assert decide(delivering, decider, batch, message(batch.job)) is None


async def test_a_cancelled_notification_ends(delivering: Delivering, decider: Decider) -> None:
    batch = await load(delivering)
    batch.notification = replace(batch.notification, status=NotificationStatus.cancelled)
    assert decide(delivering, decider, batch) == CANCELLED


async def test_one_cancelled_since_it_was_loaded_ends(
    delivering: Delivering, decider: Decider
) -> None:
    batch = await load(delivering)
    with delivering.in_flight.job(batch.job):
        assert decider.decide(batch) is None
        delivering.in_flight.cancel(batch.notification.id)
        assert decider.decide(batch) == CANCELLED
        assert decider.decide(batch, message(batch.job)) == CANCELLED
        assert decider.cancelled(batch.job, batch.notification)


@pytest.mark.parametrize("lost", ["kind", "channel", "offer"])
async def test_a_channel_that_is_no_longer_offered_is_skipped(
    delivering: Delivering, decider: Decider, lost: str
) -> None:
    batch = await load(delivering)
    match lost:
        case "kind":
            batch.kind = None
        case "channel":
            batch.channel = None
        case _:
            batch.kind = replace(KINDS["alert"], channels={})
    assert decide(delivering, decider, batch) == SKIPPED


async def test_expiry_is_to_the_millisecond(
    delivering: Delivering, decider: Decider, clock: ManualClock
) -> None:
    batch = await load(delivering, expires_at=clock.now() + SECOND)
    await clock.advance(0.999)
    assert decide(delivering, decider, batch) is None
    await clock.advance(0.001)
    assert decide(delivering, decider, batch) == EXPIRED


async def test_nothing_expires_while_the_clock_is_in_doubt(
    delivering: Delivering, decider: Decider, clock: ManualClock
) -> None:
    batch = await load(delivering, expires_at=clock.now() + SECOND)
    clock.step(400 * 24 * 3600)
    clock.doubted = True
    assert decide(delivering, decider, batch) == Reschedule(clock.now() + 60_000, *CLOCK)
    clock.doubted = False
    assert decide(delivering, decider, batch) == EXPIRED


@pytest.mark.parametrize(("to", "waits"), [("mailto:a@univ.example", False), (SMS, True)])
@pytest.mark.parametrize("priority", Priority)
async def test_channels_that_ring_wait_for_the_morning(
    delivering: Delivering,
    decider: Decider,
    clock: ManualClock,
    to: str,
    waits: bool,
    priority: Priority,
) -> None:
    batch = await load(delivering, to, priority=priority)
    await clock.advance((22 * 3600 - clock.now() // SECOND) % 86400)
    waits = waits and priority is not Priority.critical
    until = Reschedule(clock.now() + 9 * HOUR, *QUIET) if waits else None
    assert decide(delivering, decider, batch) == until


@pytest.mark.parametrize(("urgent", "wait"), [(False, 30), (True, 5)])
async def test_an_open_breaker_is_waited_for(
    delivering: Delivering, decider: Decider, clock: ManualClock, urgent: bool, wait: int
) -> None:
    priority = Priority.high if urgent else Priority.medium
    batch = await load(delivering, priority=priority)
    delivering.channels["email"].transports[0].breaker.misconfigure("no")
    until = Reschedule(clock.now() + wait * SECOND, *BREAKER_OPEN)
    assert decide(delivering, decider, batch) == until
    assert decide(delivering, decider, batch, message(batch.job)) == until
    await clock.advance(wait)
    assert decide(delivering, decider, batch) is None


async def test_a_working_transport_is_reason_enough_to_go(
    delivering: Delivering, decider: Decider
) -> None:
    delivering.open(EmailMixin, [], [])
    batch = await load(delivering)
    delivering.channels["email"].transports[0].breaker.misconfigure("no")
    assert decide(delivering, decider, batch) is None


async def test_an_address_that_no_transport_serves_fails(
    delivering: Delivering, decider: Decider
) -> None:
    channel = delivering.channels["email"]
    only = replace(channel.transports[0], only="b@univ.example")
    delivering.channels["email"] = replace(channel, transports=[only])
    batch = await load(delivering)
    # As a whole it may go: it is asked again for each message.
    assert decide(delivering, decider, batch) is None
    assert decide(delivering, decider, batch, message(batch.job)) == UNSERVED
    assert decide(delivering, decider, batch, message(batch.job, "b@univ.example")) is None


async def test_a_channel_without_transports_fails(delivering: Delivering, decider: Decider) -> None:
    delivering.open(SMSMixin)
    batch = await load(delivering, SMS)
    assert decide(delivering, decider, batch) == UNSERVED


async def test_nothing_waits_longer_than_it_lives(
    delivering: Delivering, decider: Decider, clock: ManualClock
) -> None:
    batch = await load(delivering, SMS, expires_at=clock.now() + 48 * HOUR)
    delivering.channels["sms"].transports[0].breaker.misconfigure("no")
    batch.notification = replace(batch.notification, expires_at=clock.now() + SECOND)
    end = clock.now() + SECOND
    assert decide(delivering, decider, batch) == Reschedule(end, *BREAKER_OPEN)
    await clock.advance((22 * 3600 - clock.now() // SECOND) % 86400)
    batch.notification = replace(batch.notification, expires_at=clock.now() + SECOND)
    assert decide(delivering, decider, batch) == Reschedule(clock.now() + SECOND, *QUIET)


async def test_the_reason_that_is_final_comes_first(
    delivering: Delivering, decider: Decider, clock: ManualClock
) -> None:
    """With everything against it at once; each reason is taken away in turn."""
    delivering.open(SMSMixin, [])
    batch = await load(delivering, SMS, expires_at=clock.now() + 1)
    delivering.channels["sms"].transports[0].breaker.misconfigure("no")
    await clock.advance((22 * 3600 - clock.now() // SECOND) % 86400)
    whole = batch.notification
    batch.notification = replace(whole, status=NotificationStatus.cancelled)
    batch.kind = None
    assert decide(delivering, decider, batch) == CANCELLED
    batch.notification = whole
    assert decide(delivering, decider, batch) == EXPIRED
    batch.notification = replace(whole, expires_at=None)
    assert decide(delivering, decider, batch) == SKIPPED
    batch.kind = KINDS["alert"]
    assert decide(delivering, decider, batch) == Reschedule(clock.now() + 9 * HOUR, *QUIET)
