"""Within a lane, notifications take turns: nobody waits for the whole of a bulk."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from flashnotify.archive.records import FanOutSlice, Reschedule
from flashnotify.delivery import planner, recipients
from flashnotify.domain import Job
from tests.support.delivering import Delivering
from tests.support.scheduling import RestingClock, Scheduling

# Batches of one delivery each, so that a bulk of many batches costs no time.
BULK = [f"mailto:p{number}@univ.example" for number in range(250)]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "BATCH_SIZE", 1)
    monkeypatch.setattr(recipients, "_SLICE", 2)


@pytest.fixture(params=[20, 1000], ids=["overflowing", "roomy"])
def delivering(request: pytest.FixtureRequest) -> Delivering:
    """Lanes that hold fewer jobs than the bulk has, and more."""
    return Delivering(RestingClock(), bound=request.param)


@pytest.fixture
async def scheduling(delivering: Delivering) -> AsyncIterator[Scheduling]:
    scheduling = Scheduling.of(delivering)
    await scheduling.start()
    yield scheduling
    await scheduling.stop()


async def serve(scheduling: Scheduling, number: int) -> list[UUID]:
    """Take and finish batches; return the notifications that they are of."""
    served = []
    for _ in range(number):
        job = await scheduling.take()
        served.append(job.notification_id)
        await scheduling.finish(job)
    return served


async def send(delivering: Delivering, to: list[str]) -> UUID:
    """Accept a notification and fan it out."""
    jobs = await delivering.batches(*to)
    return jobs[0].notification_id


async def test_a_newcomer_goes_next_but_one_at_the_latest(
    delivering: Delivering, scheduling: Scheduling
) -> None:
    bulk = await send(delivering, BULK)
    for number in (0, 1, 30, 100):
        assert set(await serve(scheduling, number)) <= {bulk}
        newcomer = await send(delivering, BULK[:1])
        assert newcomer in await serve(scheduling, 2)


async def test_nothing_of_the_bulk_is_lost_or_taken_twice(
    delivering: Delivering, scheduling: Scheduling
) -> None:
    await send(delivering, BULK)
    taken = [await scheduling.take() for _ in BULK]
    # In the order of the audience; all of them in flight at once.
    assert [job.ordinal for job in taken] == list(range(250))
    assert scheduling.depth() == 0


async def test_two_bulks_alternate(delivering: Delivering, scheduling: Scheduling) -> None:
    first = await send(delivering, BULK)
    await serve(scheduling, 10)
    second = await send(delivering, BULK)
    order = await serve(scheduling, 400)
    for window in chunks(order):
        assert abs(window.count(first) - window.count(second)) <= 2


async def test_a_bulk_that_is_sent_while_it_is_fanned_out_keeps_its_share(
    delivering: Delivering, scheduling: Scheduling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its later batches must not fall ever further behind."""
    add, served = delivering.archive.notifications.add_deliveries, 0

    async def add_once_the_others_are_sent(job: Job, done: FanOutSlice, now: int) -> None:
        nonlocal served
        if served < 120:
            served += len(await serve(scheduling, scheduling.depth()))
        await add(job, done, now)

    with monkeypatch.context() as patch:
        patch.setattr(
            delivering.archive.notifications, "add_deliveries", add_once_the_others_are_sent
        )
        first = await send(delivering, BULK)
    assert served == 120
    second = await send(delivering, BULK)
    order = await serve(scheduling, 240)
    for window in chunks(order):
        assert abs(window.count(first) - window.count(second)) <= 2


async def test_after_the_bulk_was_rescheduled_a_newcomer_still_goes_within_a_few_batches(
    delivering: Delivering, scheduling: Scheduling
) -> None:
    """A breaker was open, and each batch waited for it."""
    await send(delivering, BULK)
    for _ in BULK:
        job = await scheduling.take()
        until = Reschedule(delivering.clock.now() + 30_000, "waits")
        await delivering.archive.jobs.reschedule(job, until)
        delivering.dispatch.queue("email").done(job)
        delivering.dispatch.wake_up(job.lane, until.due_at)
    await scheduling.settle()
    assert scheduling.depth() == 0
    await scheduling.advance(30)
    for number in (0, 1, 30, 100):
        await serve(scheduling, number)
        newcomer = await send(delivering, BULK[:1])
        assert newcomer in await serve(scheduling, 3)


async def test_a_newcomer_that_was_rescheduled_beside_a_bulk_goes_within_a_few_batches(
    delivering: Delivering, scheduling: Scheduling
) -> None:
    (single,) = await delivering.batches(BULK[0])
    assert await scheduling.take() == single
    await send(delivering, BULK)
    await serve(scheduling, 30)
    until = Reschedule(delivering.clock.now() + 30_000, "busy")
    await delivering.archive.jobs.reschedule(single, until)
    delivering.dispatch.queue("email").done(single)
    delivering.dispatch.wake_up(single.lane, until.due_at)
    await scheduling.advance(30)
    assert single.notification_id in await serve(scheduling, 3)


async def test_after_a_restart_notifications_still_take_turns(
    delivering: Delivering, scheduling: Scheduling
) -> None:
    first = await send(delivering, BULK)
    await serve(scheduling, 100)
    second = await send(delivering, BULK)
    await scheduling.stop()
    restarted = Delivering(delivering.clock, bound=delivering.dispatch.queue("email").bound)
    restarted.archive = delivering.archive
    again = Scheduling.of(restarted)
    await again.start()
    order = await serve(again, 200)
    for window in chunks(order):
        assert abs(window.count(first) - window.count(second)) <= 2
    newcomer = await send(restarted, BULK[:1])
    assert newcomer in await serve(again, 2)
    await again.stop()


async def test_others_keep_their_place_when_a_retry_has_a_high_ordinal(
    delivering: Delivering, scheduling: Scheduling
) -> None:
    """The last batch of a bulk comes back into an idle lane: the lane's turn jumps, for all."""
    jobs = await delivering.batches(*BULK)
    taken = [await scheduling.take() for _ in jobs]
    for job in taken[:-1]:
        await scheduling.finish(job)
    until = Reschedule(delivering.clock.now() + 30_000, "busy")
    await delivering.archive.jobs.reschedule(taken[-1], until)
    delivering.dispatch.queue("email").done(taken[-1])
    delivering.dispatch.wake_up(taken[-1].lane, until.due_at)
    await scheduling.advance(30)
    newcomer = await send(delivering, BULK[:1])
    assert newcomer in await serve(scheduling, 2)


def chunks(order: list[UUID]) -> list[list[UUID]]:
    """Return the order in which notifications were served, ten at a time."""
    return [order[start : start + 10] for start in range(0, len(order), 10)]
