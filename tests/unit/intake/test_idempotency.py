"""The same key and document give the same answer, for a day."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashnotify.archive.records import Notification, ScheduledJob
from flashnotify.domain import Job, NotificationStatus, Priority
from flashnotify.errors import IdempotencyMismatch, Unavailable
from flashnotify.ids import UUIDv7
from flashnotify.intake.idempotency import Accept, Accepted, Idempotency, sorted_json
from flashnotify.time_slices import TimeSlices
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive

DAY = 24 * 3600
DOCUMENT = {"kind": "alert", "data": {"b": 1, "a": [1, 2]}}


class Once:
    """Accepts documents into an archive, and counts how often."""

    def __init__(self, clock: ManualClock) -> None:
        self.archive = MemoryArchive()
        self.idempotency = Idempotency(self.archive.notifications, clock, TimeSlices())
        self.ids = UUIDv7(clock.now)
        self.accepted: list[UUID] = []

    async def accept(self, answer: Any) -> Accepted:
        id, status = self.ids(), NotificationStatus.scheduled
        # Checking a document takes a while.
        await asyncio.sleep(0)
        notification = Notification(
            id, "alert", "", "", {}, (), Priority.low, None, "en", None, None, None, "a",
            status, 0, 0,
        )  # fmt: skip
        job = ScheduledJob(Job(self.ids(), id, Priority.low), 0)
        await self.archive.notifications.accept(notification, job, answer(id, status))
        self.accepted.append(id)
        return Accepted(id, status)

    async def send(
        self,
        document: Any = DOCUMENT,
        key: str = "k",
        caller: str = "a",
        accept: Accept | None = None,
    ) -> Accepted:
        return await self.idempotency.once(caller, key, document, accept or self.accept)


@pytest.fixture
def once(clock: ManualClock) -> Once:
    return Once(clock)


async def test_the_first_is_accepted_and_the_next_is_its_answer(once: Once) -> None:
    first, again = await once.send(), await once.send()
    assert first == Accepted(once.accepted[0], NotificationStatus.scheduled)
    assert again == Accepted(first.id, NotificationStatus.scheduled, replayed=True)
    assert once.archive.writes == ["notifications.accept"]


async def test_the_answer_is_the_first_one_regardless_of_later_changes(once: Once) -> None:
    first = await once.send()
    await once.archive.notifications.cancel(first.id, Priority.low, 1)
    assert (await once.send()).status is NotificationStatus.scheduled


async def test_a_hundred_at_once_are_one(once: Once) -> None:
    answers = await asyncio.gather(*(once.send() for _ in range(100)))
    assert len(once.accepted) == 1
    assert {answer.id for answer in answers} == set(once.accepted)
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 99


@pytest.mark.parametrize(
    "document",
    [
        {"data": {"a": [1, 2], "b": 1}, "kind": "alert"},
        {"kind": "alert", "data": {"b": 1, "a": [1, 2]}},
    ],
)
async def test_the_order_of_members_does_not_matter(once: Once, document: Any) -> None:
    await once.send()
    assert (await once.send(document)).replayed


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "alert", "data": {"b": 1, "a": [2, 1]}},
        {"kind": "alert", "data": {"b": "1", "a": [1, 2]}},
        {"kind": "alert", "data": {"b": True, "a": [1, 2]}},
        {"kind": "alert", "data": {"b": 1, "a": [1, 2]}, "locale": None},
        {},
    ],
)
async def test_another_document_is_refused(once: Once, document: Any) -> None:
    await once.send()
    with pytest.raises(IdempotencyMismatch):
        await once.send(document)
    assert len(once.accepted) == 1
    # The key keeps its answer.
    assert (await once.send()).replayed


async def test_keys_belong_to_their_caller(once: Once) -> None:
    await once.send()
    assert not (await once.send({}, caller="b")).replayed
    assert not (await once.send({}, key="other")).replayed
    assert len(once.accepted) == 3


async def test_a_key_is_forgotten_after_a_day(once: Once, clock: ManualClock) -> None:
    """Though nothing has been purged."""
    first = await once.send()
    await clock.advance(DAY - 0.001)
    assert (await once.send()).id == first.id
    await clock.advance(0.001)
    second = await once.send({"another": 1})
    assert (second.id != first.id, second.replayed) == (True, False)
    assert (await once.send({"another": 1})).id == second.id
    with pytest.raises(IdempotencyMismatch):
        await once.send()


async def test_a_refused_document_uses_no_key(once: Once) -> None:
    async def refuse(answer: Any) -> Accepted:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # it is the one above
        await once.send({"wrong": 1}, accept=refuse)
    assert not (await once.send()).replayed


async def test_a_refused_write_uses_no_key(once: Once) -> None:
    once.archive.refuse_write()
    with pytest.raises(Unavailable):
        await once.send()
    assert not (await once.send()).replayed


async def hanging_request(once: Once) -> asyncio.Task[Accepted]:
    begun = asyncio.Event()

    async def hang(answer: Any) -> Accepted:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    request = asyncio.create_task(once.send(accept=hang))
    await begun.wait()
    return request


async def test_a_cancelled_request_leaves_its_key_usable(once: Once) -> None:
    hanging = await hanging_request(once)
    waiting = [asyncio.create_task(once.send()) for _ in range(3)]
    await asyncio.sleep(0)
    hanging.cancel()
    waiting[0].cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert len(once.accepted) == 1
    assert [answer.id for answer in answers if isinstance(answer, Accepted)] == once.accepted * 2


async def test_a_slow_request_delays_no_other_key(once: Once) -> None:
    hanging = await hanging_request(once)
    assert not (await once.send(key="other")).replayed
    hanging.cancel()
    await asyncio.wait({hanging})


@given(
    st.dictionaries(
        st.text(),
        st.none() | st.text() | st.lists(st.integers()) | st.dictionaries(st.text(), st.text()),
    )
)
def test_a_fingerprint_is_that_of_the_document_as_json(document: dict[str, Any]) -> None:
    """Those that an earlier version stored are still right."""
    for each in (document, document | {"to": ["é"] * 2500, "": [{"b": 1, "a": 2}] * 1000}):
        assert "".join(sorted_json(each)) == json.dumps(each, sort_keys=True)
