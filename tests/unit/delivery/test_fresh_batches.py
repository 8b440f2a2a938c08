"""Batches that were stored a moment ago are carried out without reading them back."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from flashnotify.channels.email.channel import EmailMixin
from flashnotify.delivery.fresh_batches import FreshBatches
from flashnotify.domain import Job, Priority
from flashnotify.errors import Retryable, Unavailable
from tests.support.delivering import ACTOR, Delivering
from tests.support.manual_clock import ManualClock
from tests.support.records import Records


async def stored(
    delivering: Delivering, to: Sequence[str] = ("mailto:a@univ.example",), body: str = "Leave."
) -> Job:
    """Store a notification and its only batch, and return the batch as it is queued."""
    job = await delivering.accept(to, body=body)
    with delivering.in_flight.job(job):
        await delivering.fan_out.execute(job)
    queued = await delivering.dispatch.queue("email").get(frozenset(Priority))
    assert queued.notification_id == job.notification_id
    return queued


async def test_a_fresh_batch_is_carried_out_without_a_read(delivering: Delivering) -> None:
    job = await stored(delivering, ("mailto:a@univ.example", "mailto:b@univ.example"))
    delivering.archive.refuse_read()
    assert await delivering.execute(job) is None
    assert delivering.transports["email"][0].sent == ["a@univ.example", "b@univ.example"]


async def test_a_second_run_reads_what_the_first_has_changed(
    delivering: Delivering, clock: ManualClock
) -> None:
    delivering.open(EmailMixin, [Retryable("busy")])
    job = await stored(delivering)
    await delivering.execute(job)
    await clock.advance(10)
    await delivering.execute(job)
    (delivery,) = delivering.deliveries()
    assert (delivery.status, delivery.attempts) == ("sent", 2)


async def test_a_cancellation_is_read(delivering: Delivering) -> None:
    job, other = await stored(delivering), await stored(delivering)
    await delivering.control.cancel(job.notification_id, ACTOR)
    await delivering.execute(job)
    assert [status[1] for status in delivering.statuses()] == ["cancelled", "queued"]
    delivering.archive.refuse_read()
    await delivering.execute(other)
    assert [status[1] for status in delivering.statuses()] == ["cancelled", "sent"]


@pytest.mark.parametrize(("recipients", "characters"), [(51, 1), (1, 2001)])
async def test_large_ones_are_read(
    delivering: Delivering, recipients: int, characters: int
) -> None:
    to = [f"mailto:a{number}@univ.example" for number in range(recipients)]
    job = await stored(delivering, to, "x" * characters)
    delivering.archive.refuse_read()
    with pytest.raises(Unavailable):
        await delivering.execute(job)


async def test_those_in_excess_are_read(delivering: Delivering) -> None:
    notification = Records(delivering.archive, delivering.clock.now).notification()
    fresh = FreshBatches(bound=2)
    jobs = [Job(UUID(int=number), notification.id, Priority.low, "email") for number in range(3)]
    for job in jobs:
        fresh.add(job, notification, ())
    assert [fresh.take(job) is not None for job in jobs] == [True, True, False]
    fresh.add(jobs[2], replace(notification, id=UUID(int=9)), ())
    assert fresh.take(jobs[2]) is not None


async def test_what_waits_for_the_end_of_quiet_hours_is_read(
    delivering: Delivering, clock: ManualClock
) -> None:
    await clock.advance(15 * 3600)
    job = await delivering.accept(("tel:+33612345678",))
    with delivering.in_flight.job(job):
        await delivering.fan_out.execute(job)
    (scheduled,) = delivering.archive.state.jobs.values()
    assert scheduled.reason == "waits for the end of quiet hours"
    assert delivering.in_flight.fresh.take(scheduled.job) is None
