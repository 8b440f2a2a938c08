"""Quiet hours that people chose, in their own time zone."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, time
from typing import Any
from uuid import UUID

import pytest

from flashnotify.archive.people_records import Person, Preferences
from flashnotify.channels.email.channel import EmailMixin
from flashnotify.channels.sms.channel import SMSMixin
from flashnotify.domain import DeliveryStatus, Priority, WaitReason, Window, milliseconds
from flashnotify.errors import Retryable
from tests.support.delivering import KINDS, Delivering
from tests.support.manual_clock import ManualClock
from tests.support.records import Records

EMAIL, SMS = EmailMixin.__channel__, SMSMixin.__channel__
LOUD = replace(KINDS["alert"], quiet_hours=None)

NIGHT = Window(time(22), time(7))
LATE = Window(time(23), time(9, 30))
EVENING = "2026-12-01T22:30+00:00"


def at(moment: str) -> int:
    return milliseconds(datetime.fromisoformat(moment))


def delivering(moment: str, sms: Iterable[Any] = ()) -> Delivering:
    made = Delivering(ManualClock(at(moment)))
    made.open(SMSMixin, sms)
    return made


def person(number: int, hours: Window | None, zone: str | None = None) -> Person:
    chosen, phone = Preferences(quiet_hours=hours), f"+3361234567{number}"
    return Person(UUID(int=number), "Ada", phone=phone, timezone=zone, preferences=chosen)


def add(to: Delivering, number: int, hours: Window | None, zone: str | None = None) -> str:
    """Add somebody with a phone, and return their entry in an audience."""
    added = to.archive.state.people[UUID(int=number)] = person(number, hours, zone)
    return f"user:{added.id}"


def shown(to: Delivering) -> dict[str, tuple[int, WaitReason | None]]:
    """Return when each queued delivery is attempted next, and why it waits, by its last digit."""
    deliveries: Any = to.archive.deliveries
    listed = map(deliveries._with_job, to.archive.state.deliveries.values())
    return {
        d.address[-1]: (d.due_at, d.waiting) for d in listed if d.status is DeliveryStatus.queued
    }


@pytest.mark.parametrize(
    ("zone", "hours", "now", "until"),
    [
        # The clocks go forward, in the middle of the night.
        ("Europe/Paris", NIGHT, "2026-03-28T22:30+01:00", "2026-03-29T07:00+02:00"),
        ("America/New_York", NIGHT, "2026-03-07T22:30-05:00", "2026-03-08T07:00-04:00"),
        ("Australia/Lord_Howe", NIGHT, "2026-10-03T22:30+10:30", "2026-10-04T07:00+11:00"),
        # They go back.
        ("Europe/Paris", NIGHT, "2026-10-24T22:30+02:00", "2026-10-25T07:00+01:00"),
        ("America/New_York", NIGHT, "2026-10-31T22:30-04:00", "2026-11-01T07:00-05:00"),
        ("Australia/Lord_Howe", NIGHT, "2026-04-04T22:30+11:00", "2026-04-05T07:00+10:30"),
        # The end is skipped: it counts as if they had not gone forward yet.
        ("Europe/Paris", Window(time(22), time(2, 30)), "2026-03-29T01:00+01:00",
         "2026-03-29T03:30+02:00"),
        ("America/New_York", Window(time(22), time(2, 30)), "2026-03-08T01:00-05:00",
         "2026-03-08T03:30-04:00"),
        ("Australia/Lord_Howe", Window(time(22), time(2, 15)), "2026-10-04T01:00+10:30",
         "2026-10-04T02:45+11:00"),
        # The end comes twice: the first one counts, and the hour after it is loud.
        ("Europe/Paris", Window(time(22), time(2, 30)), "2026-10-25T01:00+02:00",
         "2026-10-25T02:30+02:00"),
        ("Europe/Paris", Window(time(22), time(2, 30)), "2026-10-25T02:15+01:00", None),
        ("America/New_York", Window(time(22), time(1, 30)), "2026-11-01T00:30-04:00",
         "2026-11-01T01:30-04:00"),
        ("America/New_York", Window(time(22), time(1, 30)), "2026-11-01T01:15-05:00", None),
        ("Australia/Lord_Howe", Window(time(22), time(1, 45)), "2026-04-05T01:00+11:00",
         "2026-04-05T01:45+11:00"),
        ("Australia/Lord_Howe", Window(time(22), time(1, 45)), "2026-04-05T01:40+10:30", None),
        # The quiet hours begin when they went back already.
        ("Europe/Paris", Window(time(2, 30), time(7)), "2026-10-25T02:15+01:00",
         "2026-10-25T07:00+01:00"),
    ],
)  # fmt: skip
def test_a_night_is_that_of_the_person_s_clock(
    zone: str, hours: Window, now: str, until: str | None
) -> None:
    to = delivering(now)
    ada = person(1, hours, zone)
    notification = Records(to.archive, to.clock.now).notification(priority=Priority.high)
    found = to.decider.quiet(LOUD, SMS, notification, ada)
    assert (found and found.due_at) == (until and at(until))
    critical = replace(notification, priority=Priority.critical)
    assert to.decider.quiet(LOUD, SMS, critical, ada) is None
    assert to.decider.quiet(LOUD, EMAIL, notification, ada) is None


def test_the_later_end_counts_of_the_kind_and_the_person() -> None:
    to = delivering(EVENING)
    notification = Records(to.archive, to.clock.now).notification(priority=Priority.high)
    for hours, until in (
        (Window(time(22), time(6)), "2026-12-02T07:00+00:00"),
        (Window(time(22), time(8)), "2026-12-02T08:00+00:00"),
        (Window(time(12), time(13)), "2026-12-02T07:00+00:00"),
        (None, "2026-12-02T07:00+00:00"),
    ):
        found = to.decider.quiet(KINDS["alert"], SMS, notification, person(1, hours))
        assert found is not None
        assert found.due_at == at(until)


def test_a_zone_that_does_not_exist_is_the_campus_s() -> None:
    to = delivering(EVENING)
    notification = Records(to.archive, to.clock.now).notification(priority=Priority.high)
    found = to.decider.quiet(LOUD, SMS, notification, person(1, NIGHT, "Europe/Atlantis"))
    assert found is not None
    assert found.due_at == at("2026-12-02T07:00+00:00")


async def test_people_whose_quiet_hours_end_together_share_a_batch() -> None:
    to = delivering("2026-12-01T21:30+00:00")
    early, paris = Window(time(21), time(5)), "Europe/Paris"
    people = [
        (1, None, None),
        (2, early, None),
        (3, NIGHT, paris),
        (4, early, None),
        (5, NIGHT, paris),
    ]
    entries = [add(to, *each) for each in people]
    jobs = await to.batches("tel:+33612345676", *entries)
    assert len(jobs) == 3
    waits = WaitReason.quiet_hours
    assert shown(to) == {
        **{last: (to.clock.now(), WaitReason.due) for last in "16"},
        **{last: (at("2026-12-02T05:00+00:00"), waits) for last in "24"},
        **{last: (at("2026-12-02T07:00+01:00"), waits) for last in "35"},
    }


async def test_nobody_is_let_wait_by_a_critical_notification() -> None:
    to = delivering(EVENING)
    [job] = await to.batches(add(to, 1, NIGHT), priority=Priority.critical)
    assert to.archive.state.jobs[job.id].due_at == to.clock.now()
    assert await to.execute(job) is None
    assert to.transports["sms"][0].sent == ["+33612345671"]


async def test_a_retry_in_quiet_hours_lets_only_that_person_wait() -> None:
    to = delivering("2026-12-01T21:59:30+00:00", [Retryable("busy")] * 2)
    quiet = Window(time(22), time(8))
    [job] = await to.batches(add(to, 1, quiet), add(to, 2, Window(time(12), time(13))))
    kinds: Any = {"alert": LOUD}
    to.executor.kinds = kinds
    again = await to.execute(job)
    assert again is not None
    await to.clock.advance(60)
    morning = at("2026-12-02T08:00+00:00")
    assert await to.execute(job) == morning
    assert to.transports["sms"][0].sent.count("+33612345672") == 2
    assert shown(to) == {"1": (morning, WaitReason.quiet_hours)}
    [held] = [d for d in to.archive.state.deliveries.values() if d.address[-1] == "1"]
    assert (held.attempts, held.status) == (1, DeliveryStatus.queued)
    # Read again before its time, it still waits, and says why.
    to.clock.step(3600)
    assert await to.execute(job) == morning
    assert to.archive.state.jobs[job.id].waiting is WaitReason.quiet_hours
    await to.clock.advance((morning - to.clock.now()) / 1000)
    assert await to.execute(job) is None
    assert to.transports["sms"][0].sent[-1] == "+33612345671"
    [sent] = [d for d in to.archive.state.deliveries.values() if d.address[-1] == "1"]
    assert (sent.attempts, sent.status) == (2, DeliveryStatus.sent)


async def test_a_person_whose_quiet_hours_end_after_the_kind_s_is_let_wait_alone() -> None:
    """They chose them only once the batch was planned."""
    to = delivering(EVENING)
    entries = add(to, 1, None), add(to, 2, None)
    [job] = await to.batches(*entries)
    add(to, 1, LATE)
    await to.clock.advance(8.5 * 3600)
    later = at("2026-12-02T09:30+00:00")
    assert await to.execute(job) == later
    assert to.transports["sms"][0].sent == ["+33612345672"]
    assert shown(to) == {"1": (later, WaitReason.quiet_hours)}
