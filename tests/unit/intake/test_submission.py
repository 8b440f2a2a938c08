"""Submission validates, commits, answers and then queues, or does nothing."""

import asyncio
import json
from typing import Any

import pytest

from flashnotify import errors
from flashnotify.domain import Lane, NotificationStatus, Priority
from flashnotify.identity.principal import Principal
from flashnotify.intake.idempotency import Accepted
from tests.support.accepting import ALERT, SENDER, Accepting
from tests.support.manual_clock import ManualClock

ALL = frozenset(Priority)
LATER = "2027-06-01T00:00:00Z"
ACCEPT = "notifications.accept"


@pytest.fixture
def accepting(clock: ManualClock) -> Accepting:
    return Accepting(clock)


async def send(accepting: Accepting, key: str | None = None, **changes: Any) -> Accepted:
    """Send the alert."""
    document = json.dumps(ALERT | changes).encode()
    return await accepting.submission.accept(SENDER, document, key)


async def test_an_accepted_notification_is_on_disk_in_one_write_and_queued(
    accepting: Accepting, clock: ManualClock
) -> None:
    accepted = await send(accepting, data={"place": "B1"}, reference="r-1")
    assert accepting.archive.writes == [ACCEPT]
    (stored,) = accepting.stored()
    assert accepted == Accepted(stored.id, NotificationStatus.queued)
    assert (stored.title, stored.data, stored.audience, stored.reference, stored.sender) == (
        "Fire",
        {"place": "B1"},
        ["mailto:a@univ.example"],
        "r-1",
        "sender",
    )
    assert (stored.accepted_at, stored.locale, stored.priority) == (
        clock.now(),
        "fr",
        Priority.low,
    )
    (scheduled,) = accepting.archive.state.jobs.values()
    assert await accepting.dispatch.queue("email").get(ALL) == scheduled.job
    assert (scheduled.due_at, scheduled.reason) == (clock.now(), None)
    assert 'accepted_total{kind="alert",priority="low"} 1.0' in (
        accepting.metrics.exposition().decode()
    )


async def test_nothing_is_queued_or_answered_before_it_is_on_disk(
    accepting: Accepting, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()
    accept = accepting.archive.notifications.accept

    async def slow(*args: Any) -> None:
        reached.set()
        await go_on.wait()
        await accept(*args)

    monkeypatch.setattr(accepting.archive.notifications, "accept", slow)
    sending = asyncio.create_task(send(accepting))
    await reached.wait()
    assert accepting.depth() == 0
    assert not sending.done()
    go_on.set()
    await sending
    assert accepting.depth() == 1


@pytest.mark.parametrize("error", [errors.Unavailable("disk full"), errors.WriteRefused("too big")])
async def test_a_refused_write_is_passed_on_and_nothing_is_queued(
    accepting: Accepting, error: Exception
) -> None:
    accepting.archive.refuse_write(error)
    with pytest.raises(type(error)):
        await send(accepting)
    assert (accepting.stored(), accepting.depth()) == ([], 0)
    assert 'priority="low"} 0.0' in accepting.metrics.exposition().decode()


async def test_a_notification_for_later_waits_on_disk(
    accepting: Accepting, clock: ManualClock
) -> None:
    accepted = await send(accepting, send_at=LATER)
    assert accepted.status is NotificationStatus.scheduled
    (stored,) = accepting.stored()
    (scheduled,) = accepting.archive.state.jobs.values()
    assert stored.send_at == scheduled.due_at > clock.now()
    # It waits: without a turn, and with a reason.
    assert (scheduled.job.turn, scheduled.reason) == (None, "scheduled")
    assert accepting.depth() == 0
    assert accepting.delivering.wake_ups == [(Lane(None, Priority.low), scheduled.due_at)]


async def test_a_time_to_send_in_the_past_means_now(accepting: Accepting) -> None:
    accepted = await send(accepting, send_at="2020-01-01T00:00:00Z")
    assert accepted.status is NotificationStatus.queued
    assert accepting.depth() == 1


async def test_a_full_queue_accepts_all_the_same(clock: ManualClock) -> None:
    accepting = Accepting(clock, bound=10)
    for _ in range(15):
        assert (await send(accepting)).status is NotificationStatus.queued
    assert (accepting.depth(), len(accepting.stored())) == (10, 15)
    # The others are on disk, with a turn, for the refill.
    jobs = [scheduled.job for scheduled in accepting.archive.state.jobs.values()]
    assert [job.turn for job in jobs] == [0] * 15


@pytest.mark.parametrize("obstacle", ["overloaded", "stopping", "failed"])
async def test_nothing_is_accepted_that_cannot_be_kept_or_sent(
    accepting: Accepting, obstacle: str
) -> None:
    match obstacle:
        case "overloaded":
            accepting.archive.overloaded = True
        case "stopping":
            accepting.supervisor.stopping()
        case _:
            accepting.supervisor.failures["writer"] = "it ended"
    with pytest.raises(errors.Unavailable):
        await send(accepting)
    assert (accepting.archive.writes, accepting.depth()) == ([], 0)


@pytest.mark.parametrize("document", [b"", b"[]", b"{", b'"x"', b"\xff"])
async def test_a_document_that_is_no_object_is_malformed(
    accepting: Accepting, document: bytes
) -> None:
    with pytest.raises(errors.MalformedDocument):
        await accepting.submission.accept(SENDER, document, None)
    assert accepting.archive.writes == []


@pytest.mark.parametrize(
    "changes", [{"kind": "gone"}, {"to": []}, {"to": ["pigeon:loft"]}, {"data": {"no": 1}}]
)
async def test_an_invalid_document_is_refused_and_uses_no_key(
    accepting: Accepting, changes: dict[str, Any]
) -> None:
    with pytest.raises(errors.InvalidInput):
        await send(accepting, "k-1", **changes)
    assert accepting.archive.writes == []
    assert not (await send(accepting, "k-1")).replayed


async def test_a_caller_may_send_only_within_its_scopes(accepting: Accepting) -> None:
    stranger = Principal("stranger", frozenset({"read"}), Priority.critical)
    with pytest.raises(errors.NotPermitted):
        await accepting.submission.accept(stranger, json.dumps(ALERT).encode(), None)
    assert accepting.archive.writes == []


async def test_a_key_is_stored_with_its_notification_in_one_write(accepting: Accepting) -> None:
    first = await send(accepting, "k-1", send_at=LATER)
    assert accepting.archive.writes == [ACCEPT]
    again = await send(accepting, "k-1", send_at=LATER)
    assert again == Accepted(first.id, NotificationStatus.scheduled, replayed=True)
    with pytest.raises(errors.IdempotencyMismatch):
        await send(accepting, "k-1")
    assert accepting.archive.writes == [ACCEPT]


async def test_a_key_compares_parsed_documents_not_bytes(accepting: Accepting) -> None:
    """As for those of a bulk request."""
    await send(accepting, "k-1")
    spaced = json.dumps(dict(reversed(ALERT.items())), indent=4).encode()
    assert (await accepting.submission.accept(SENDER, spaced, "k-1")).replayed


async def test_a_hundred_at_once_with_one_key_are_one_notification(accepting: Accepting) -> None:
    answers = await asyncio.gather(*(send(accepting, "k-1") for _ in range(100)))
    assert len({answer.id for answer in answers}) == 1
    assert accepting.archive.writes == [ACCEPT]
    assert accepting.depth() == 1


async def test_a_replay_is_refused_too_when_nothing_can_be_promised(accepting: Accepting) -> None:
    await send(accepting, "k-1")
    accepting.archive.overloaded = True
    with pytest.raises(errors.Unavailable):
        await send(accepting, "k-1")


async def test_notifications_join_their_lane_where_it_is(accepting: Accepting) -> None:
    jobs = accepting.archive.state.jobs
    await send(accepting)
    first = await accepting.dispatch.queue("email").get(ALL)
    await send(accepting, priority="critical")
    assert [scheduled.job.priority for scheduled in jobs.values()] == [
        Priority.low,
        Priority.critical,
    ]
    assert first.turn == 0


async def test_a_notification_to_many_is_fanned_out_by_a_job(accepting: Accepting) -> None:
    """To a few it is not: its batches are stored with it."""
    for people, channel in ((50, "email"), (51, None)):
        await send(accepting, to=[f"mailto:s{n}@univ.example" for n in range(people)])
        job = await accepting.dispatch.queue(channel).get(ALL)
        assert job.notification_id == accepting.stored()[-1].id
    assert len(accepting.archive.state.deliveries) == 50
    assert accepting.archive.writes == [ACCEPT] * 2


async def test_an_accepted_notification_is_delivered(accepting: Accepting) -> None:
    await send(accepting, to=["mailto:A@UNIV.example", "MAILTO:A@univ.example", "tel:+33612345678"])
    delivering = accepting.delivering
    for channel in ("email", "sms"):
        assert await delivering.execute(await delivering.dispatch.queue(channel).get(ALL)) is None
    assert delivering.statuses() == [
        ("A@univ.example", "sent", None),
        ("+33612345678", "sent", None),
    ]
    assert accepting.stored()[0].status is NotificationStatus.completed
