"""From an audience to deliveries in batches, slice by slice, each entry once."""

import asyncio
from collections import Counter
from collections.abc import Mapping

import pytest

from flashnotify.archive.records import FanOutSlice
from flashnotify.delivery.routing import NOT_OFFERED, NOT_REQUESTED
from flashnotify.domain import (
    BATCH_SIZE,
    DeliveryStatus,
    Job,
    Lane,
    NotificationStatus,
    Priority,
)
from flashnotify.errors import Unavailable
from tests.support.delivering import KINDS, Delivering
from tests.support.loop_turns import counted_turns
from tests.support.manual_clock import ManualClock

ALL = frozenset(Priority)
SLICE = 400
SECOND = 1000
ADD = "notifications.add_deliveries"


class Crash(BaseException):
    """The process ends here."""


def people(number: int) -> list[str]:
    """Return addresses for email."""
    return [f"mailto:a{n}@univ.example" for n in range(number)]


async def fan_out(delivering: Delivering, job: Job) -> None:
    """Fan a notification out, as a worker does, who holds its job meanwhile."""
    with delivering.in_flight.job(job):
        await delivering.fan_out.execute(job)


class BetweenSlices:
    """Does something before slice number `at` is stored."""

    def __init__(self, delivering: Delivering, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.at = at
        self.slices: list[FanOutSlice] = []
        self.delivering = delivering
        self._add = delivering.archive.notifications.add_deliveries
        monkeypatch.setattr(delivering.archive.notifications, "add_deliveries", self.add)

    async def happens(self) -> None:
        raise Crash

    async def add(self, job: Job, done: FanOutSlice, now: int) -> None:
        if len(self.slices) == self.at:
            await self.happens()
        self.slices.append(done)
        await self._add(job, done, now)


def jobs(delivering: Delivering) -> list[Job]:
    """Return the batches that are stored, in the order of their making."""
    stored = [scheduled.job for scheduled in delivering.archive.state.jobs.values()]
    return sorted((job for job in stored if job.channel), key=lambda job: job.id)


def sizes(delivering: Delivering) -> Mapping[str, Counter[str]]:
    """Return the number of deliveries of each batch, by channel."""
    found: dict[str, Counter[str]] = {}
    for delivery in delivering.deliveries():
        found.setdefault(delivery.channel, Counter())[str(delivery.job_id)] += 1
    return found


def outcome(delivering: Delivering, job: Job) -> tuple[NotificationStatus, int, int]:
    """Return a notification's status, and how many deliveries and entries are done."""
    state, id = delivering.archive.state, job.notification_id
    notification = state.notifications[id]
    return notification.status, state.pending[id], notification.fanned_out


async def test_an_audience_is_fanned_out_in_slices(delivering: Delivering) -> None:
    job = await delivering.accept(people(2050))
    delivering.archive.writes.clear()
    await fan_out(delivering, job)
    # The commit of the last slice finishes the job.
    assert delivering.archive.writes == [ADD] * 6
    assert job.id not in delivering.archive.state.jobs
    addresses = [delivery.address for delivery in delivering.deliveries()]
    assert addresses == [entry.removeprefix("mailto:") for entry in people(2050)]
    assert sorted(sizes(delivering)["email"].values()) == [50] + [BATCH_SIZE] * 10
    assert outcome(delivering, job) == (NotificationStatus.sending, 2050, 2050)
    counts = await delivering.archive.notifications.counts(job.notification_id)
    assert counts == {"email": {"queued": 2050}}


async def test_ordinals_and_turns_go_on_from_slice_to_slice(delivering: Delivering) -> None:
    to = [*people(1000), *(f"tel:+3361200{number:04}" for number in range(500))]
    await fan_out(delivering, await delivering.accept(to))
    batches = jobs(delivering)
    for channel, number in (("email", 5), ("sms", 3)):
        ordinals = [job.ordinal for job in batches if job.channel == channel]
        assert sorted(ordinals) == ordinals
        assert len(set(ordinals)) == len(ordinals) >= number
    emails = [job for job in batches if job.channel == "email"]
    assert [job.turn for job in emails] == [job.ordinal for job in emails] == [0, 1, 2, 3, 4]
    assert {(job.priority, job.notification_id) for job in batches} == {
        (batches[0].priority, batches[0].notification_id)
    }


async def test_each_batch_is_queued_once_it_is_on_disk(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    between = BetweenSlices(delivering, monkeypatch, at=1)
    queue = delivering.dispatch.queue("email")

    async def look() -> None:
        # The first slice is on disk, the second is not.
        assert queue.depth()[Priority.low] == SLICE // BATCH_SIZE

    monkeypatch.setattr(between, "happens", look)
    await fan_out(delivering, await delivering.accept(people(1000)))
    assert [await queue.get(ALL) for _ in range(5)] == jobs(delivering)


async def test_a_full_lane_leaves_the_batches_on_disk(clock: ManualClock) -> None:
    delivering = Delivering(clock, bound=2)
    await fan_out(delivering, await delivering.accept(people(1000)))
    assert len(jobs(delivering)) == 5
    assert delivering.dispatch.queue("email").depth()[Priority.low] == 2


@pytest.mark.parametrize("at", [0, 1, 2, 4])
async def test_a_crash_half_way_loses_and_doubles_nothing(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    job = await delivering.accept(people(1990))
    with monkeypatch.context() as patch:
        BetweenSlices(delivering, patch, at)
        with pytest.raises(Crash):
            await fan_out(delivering, job)
    assert job.id in delivering.archive.state.jobs
    assert outcome(delivering, job)[1:] == (400 * at + 1, 400 * at)
    await fan_out(delivering, job)
    addresses = Counter(delivery.address for delivery in delivering.deliveries())
    assert len(addresses) == 1990
    assert set(addresses.values()) == {1}
    assert outcome(delivering, job) == (NotificationStatus.sending, 1990, 1990)
    assert [batch.ordinal for batch in jobs(delivering)] == list(range(10))
    assert [batch.turn for batch in jobs(delivering)] == list(range(10))


async def test_a_refused_write_can_be_repeated(delivering: Delivering) -> None:
    job = await delivering.accept(people(1000))
    delivering.archive.refuse_write(Unavailable("disk full"))
    with pytest.raises(Unavailable):
        await fan_out(delivering, job)
    assert delivering.dispatch.queue("email").depth()[Priority.low] == 0
    await fan_out(delivering, job)
    assert outcome(delivering, job) == (NotificationStatus.sending, 1000, 1000)


async def test_a_job_that_is_done_is_not_fanned_out_again(delivering: Delivering) -> None:
    """A read that was under way when it ended shows it as before."""
    job = await delivering.accept(people(3))
    for _ in range(3):
        await fan_out(delivering, job)
    assert len(delivering.deliveries()) == 3
    assert len(jobs(delivering)) == 1
    assert outcome(delivering, job) == (NotificationStatus.sending, 3, 3)


async def test_a_job_without_its_notification_ends(delivering: Delivering) -> None:
    job = await delivering.accept()
    del delivering.archive.state.notifications[job.notification_id]
    await fan_out(delivering, job)
    assert delivering.archive.state.jobs == {}


async def test_channels_that_were_not_requested_are_skipped(delivering: Delivering) -> None:
    job = await delivering.accept(["mailto:a@univ.example", "tel:+33612345678"], channels=["sms"])
    await fan_out(delivering, job)
    assert delivering.statuses() == [
        ("a@univ.example", "skipped", NOT_REQUESTED),
        ("+33612345678", "queued", None),
    ]
    assert outcome(delivering, job) == (NotificationStatus.sending, 1, 2)


async def test_a_notification_of_which_all_is_skipped_is_completed(delivering: Delivering) -> None:
    job = await delivering.accept(people(1000), channels=["sms"])
    await fan_out(delivering, job)
    assert outcome(delivering, job) == (NotificationStatus.completed, 0, 1000)
    assert {status[1:] for status in delivering.statuses()} == {("skipped", NOT_REQUESTED)}
    assert delivering.archive.state.jobs == {}


async def test_a_kind_that_was_removed_skips_each_entry(delivering: Delivering) -> None:
    job = await delivering.accept(["mailto:a@univ.example", "tel:+33612345678"], kind="gone")
    await fan_out(delivering, job)
    assert delivering.statuses() == [
        ("a@univ.example", "skipped", NOT_OFFERED),
        ("+33612345678", "skipped", NOT_OFFERED),
    ]
    assert [delivery.channel for delivery in delivering.deliveries()] == ["email", "sms"]
    assert outcome(delivering, job) == (NotificationStatus.completed, 0, 2)


async def test_a_channel_that_the_kind_lost_skips_its_entries(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(KINDS["alert"].channels, "sms")
    job = await delivering.accept(["mailto:a@univ.example", "tel:+33612345678"])
    await fan_out(delivering, job)
    assert delivering.statuses() == [
        ("+33612345678", "skipped", NOT_OFFERED),
        ("a@univ.example", "queued", None),
    ]


async def test_an_address_that_no_channel_reaches_leaves_a_trace(delivering: Delivering) -> None:
    job = await delivering.accept(["pigeon:loft-3"])
    await fan_out(delivering, job)
    (delivery,) = delivering.deliveries()
    assert (delivery.channel, delivery.address, delivery.reason) == (
        "pigeon",
        "loft-3",
        NOT_OFFERED,
    )


async def test_an_expired_notification_skips_each_entry(
    delivering: Delivering, clock: ManualClock
) -> None:
    job = await delivering.accept(people(1000), expires_at=clock.now() + SECOND)
    await clock.advance(1)
    await fan_out(delivering, job)
    assert {status[1:] for status in delivering.statuses()} == {("skipped", "expired")}
    assert len(delivering.deliveries()) == 1000
    assert outcome(delivering, job) == (NotificationStatus.expired, 0, 1000)
    completed = delivering.archive.state.notifications[job.notification_id].completed_at
    assert completed == clock.now()


async def test_one_that_expires_half_way_skips_the_others_and_ends(
    delivering: Delivering, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await delivering.accept(people(1000), expires_at=clock.now() + SECOND)
    between = BetweenSlices(delivering, monkeypatch, at=1)

    async def pass_time() -> None:
        await clock.advance(1)

    # Before the second slice is stored: it was made in time. The third is not.
    monkeypatch.setattr(between, "happens", pass_time)
    await fan_out(delivering, job)
    statuses = Counter(delivery.status for delivery in delivering.deliveries())
    assert statuses == {DeliveryStatus.queued: 800, DeliveryStatus.skipped: 200}
    assert outcome(delivering, job) == (NotificationStatus.expired, 800, 1000)
    pending = []
    for batch in jobs(delivering):
        assert await delivering.execute(batch) is None
        pending.append(outcome(delivering, job)[1])
    assert pending == [600, 400, 200, 0]
    assert {status[1:] for status in delivering.statuses()} == {("skipped", "expired")}
    assert outcome(delivering, job) == (NotificationStatus.expired, 0, 1000)
    counts = await delivering.archive.notifications.counts(job.notification_id)
    assert counts == {"email": {"skipped": 1000}}


async def test_a_cancelled_notification_cancels_each_entry(
    delivering: Delivering, clock: ManualClock
) -> None:
    job = await delivering.accept(people(1000))
    await delivering.archive.notifications.cancel(job.notification_id, job.priority, clock.now())
    await fan_out(delivering, job)
    assert Counter(delivery.status for delivery in delivering.deliveries()) == {
        DeliveryStatus.cancelled: 1000
    }
    assert outcome(delivering, job) == (NotificationStatus.cancelled, 0, 1000)
    assert delivering.archive.state.jobs == {}


async def test_one_that_is_cancelled_half_way_cancels_the_others(
    delivering: Delivering, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await delivering.accept(people(1000))
    between = BetweenSlices(delivering, monkeypatch, at=1)

    async def cancel() -> None:
        delivering.in_flight.cancel(job.notification_id)
        await delivering.archive.notifications.cancel(
            job.notification_id, job.priority, clock.now()
        )

    monkeypatch.setattr(between, "happens", cancel)
    await fan_out(delivering, job)
    statuses = Counter(delivery.status for delivery in delivering.deliveries())
    assert statuses == {DeliveryStatus.queued: 800, DeliveryStatus.cancelled: 200}
    for batch in jobs(delivering):
        await delivering.execute(batch)
    assert {status[1] for status in delivering.statuses()} == {"cancelled"}
    assert outcome(delivering, job) == (NotificationStatus.cancelled, 0, 1000)
    assert delivering.transports["email"][0].sent == []


async def test_a_damaged_audience_leaves_one_trace_and_ends(delivering: Delivering) -> None:
    job = await delivering.accept(people(3))
    delivering.archive.damage(job.notification_id)
    delivering.archive.writes.clear()
    await fan_out(delivering, job)
    assert delivering.archive.writes == [ADD]
    (status,) = delivering.statuses()
    assert status[1:] == ("failed", "the audience in the archive cannot be read")
    assert outcome(delivering, job)[:2] == (NotificationStatus.completed, 0)
    assert delivering.archive.state.jobs == {}


async def test_channels_that_ring_wait_for_the_morning(
    delivering: Delivering, clock: ManualClock
) -> None:
    await clock.advance((86400 + 23 * 3600 - clock.now() // SECOND) % 86400)
    morning = clock.now() + 8 * 3600 * SECOND
    job = await delivering.accept(["mailto:a@univ.example", "tel:+33612345678"])
    await fan_out(delivering, job)
    email, sms = sorted(jobs(delivering), key=lambda job: str(job.channel))
    state = delivering.archive.state
    assert (state.jobs[email.id].due_at, state.jobs[email.id].reason) == (clock.now(), None)
    assert (state.jobs[sms.id].due_at, sms.turn) == (morning, None)
    assert state.jobs[sms.id].reason == "waits for the end of quiet hours"
    assert delivering.dispatch.queue("sms").depth()[Priority.low] == 0
    assert delivering.wake_ups == [(Lane("sms", Priority.low), morning)]


@pytest.mark.parametrize(("hours", "waits"), [(1, 1), (9, 8)])
async def test_a_notification_that_expires_at_night_waits_no_longer_than_it_lives(
    delivering: Delivering, clock: ManualClock, hours: int, waits: int
) -> None:
    await clock.advance((86400 + 23 * 3600 - clock.now() // SECOND) % 86400)
    hour = 3600 * SECOND
    expires_at = clock.now() + hours * hour
    job = await delivering.accept(["tel:+33612345678"], expires_at=expires_at)
    await fan_out(delivering, job)
    assert delivering.wake_ups == [(Lane("sms", Priority.low), clock.now() + waits * hour)]


async def test_critical_notifications_do_not_wait_for_the_morning(
    delivering: Delivering, clock: ManualClock
) -> None:
    await clock.advance((86400 + 23 * 3600 - clock.now() // SECOND) % 86400)
    await fan_out(delivering, await delivering.accept(["tel:+33612345678"], Priority.critical))
    assert delivering.dispatch.queue("sms").depth()[Priority.critical] == 1


async def test_others_run_between_the_slices(delivering: Delivering) -> None:
    job = await delivering.accept(people(4000))
    async with counted_turns() as turns:
        await fan_out(delivering, job)
    assert turns.number >= 10


async def test_two_notifications_are_fanned_out_side_by_side(delivering: Delivering) -> None:
    both = [await delivering.accept(people(1000)) for _ in range(2)]
    await asyncio.gather(*(fan_out(delivering, job) for job in both))
    assert len(jobs(delivering)) == 10
    # Each batch beside its fellow of the other notification.
    assert sorted(job.turn for job in jobs(delivering) if job.turn is not None) == [
        turn for turn in range(5) for _ in both
    ]
