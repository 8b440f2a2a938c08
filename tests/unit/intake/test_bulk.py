"""Bulk requests are read in slices, and each notification is accepted on its own."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import structlog

from flashnotify import time_slices
from flashnotify.errors import (
    DocumentTooLarge,
    FlashNotifyError,
    IdempotencyMismatch,
    InvalidInput,
    InvalidValue,
    MalformedDocument,
    Unavailable,
    WriteRefused,
)
from flashnotify.identity.principal import Principal
from flashnotify.intake.bulk import Bulk, Result
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.json_documents import Document, read_array, read_lines
from flashnotify.time_slices import TimeSlices
from tests.support.accepting import ALERT, SENDER, Accepting
from tests.support.loop_turns import counted_turns
from tests.support.manual_clock import ManualClock

Read = Callable[[bytes, int, TimeSlices], AsyncIterator[Document]]
DOCUMENTS = [{"number": number} for number in range(1000)]
ARRAY = json.dumps(DOCUMENTS).encode()
LINES = b"\n".join(json.dumps(document).encode() for document in DOCUMENTS)


@pytest.mark.parametrize(("read", "body"), [(read_array, ARRAY), (read_lines, LINES)])
async def test_others_get_the_loop_in_between(read: Read, body: bytes) -> None:
    before, longest, found = 0, 0, []
    async with counted_turns() as turns:
        async for document in read(body, 1000, TimeSlices()):
            assert isinstance(document, bytes)
            found.append(json.loads(document))
            if turns.number > before:
                before, longest = turns.number, 0
            longest += 1
            assert longest <= 100
    assert found == DOCUMENTS


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\n\n", b" \n\t\n"])
async def test_lines_end_in_many_ways(ends: bytes) -> None:
    body = ends.join(json.dumps(document).encode() for document in DOCUMENTS[:3])
    for more in (b"", ends):
        read = read_lines(more + body + more, 1000, TimeSlices())
        found = [document async for document in read if isinstance(document, bytes)]
        assert [json.loads(document) for document in found] == DOCUMENTS[:3]


async def documents(*some: Mapping[str, Any] | FlashNotifyError) -> AsyncIterator[Document]:
    for document in some:
        if isinstance(document, FlashNotifyError):
            yield document
        else:
            yield json.dumps(document).encode()


async def accept(
    bulk: Bulk, caller: Principal, some: AsyncIterator[Document], key: str | None
) -> list[Result]:
    return [result async for result in bulk.accept(caller, some, key)]


@pytest.fixture
def accepting(clock: ManualClock) -> Accepting:
    return Accepting(clock)


@pytest.fixture
def bulk(accepting: Accepting) -> Bulk:
    return Bulk(accepting.submission, limit=1000)


async def test_each_document_is_accepted_by_itself(bulk: Bulk, accepting: Accepting) -> None:
    some = [ALERT | {"title": f"Alert {number}"} for number in range(250)]
    results = await accept(bulk, SENDER, documents(*some), None)
    assert [result.index for result in results] == list(range(250))
    stored = {notification.id: notification.title for notification in accepting.stored()}
    titles = [stored[r.outcome.id] for r in results if isinstance(r.outcome, Accepted)]
    assert titles == [document["title"] for document in some]


async def test_many_requests_commit_no_more_at_once_than_one(
    bulk: Bulk, accepting: Accepting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together they would fill the archive's backlog, and everything else would be refused."""
    store, now, most = accepting.archive.notifications.accept, 0, 0

    async def accept_slowly(*values: Any) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(300):
            await asyncio.sleep(0)
        now -= 1
        await store(*values)

    monkeypatch.setattr(accepting.archive.notifications, "accept", accept_slowly)
    requests = [accept(bulk, SENDER, documents(*[ALERT] * 150), None) for _ in range(4)]
    assert [len(results) for results in await asyncio.gather(*requests)] == [150] * 4
    assert most == 100


async def test_a_bad_document_rejects_itself_only(bulk: Bulk, accepting: Accepting) -> None:
    some = (ALERT, ALERT | {"kind": "gone"}, MalformedDocument("no JSON"), ALERT)
    results = await accept(bulk, SENDER, documents(*some), None)
    outcomes = [Accepted, InvalidInput, MalformedDocument, Accepted]
    assert [type(result.outcome) for result in results] == outcomes
    assert len(accepting.stored()) == 2


async def test_a_refused_write_rejects_its_own_document(bulk: Bulk, accepting: Accepting) -> None:
    accepting.archive.refuse_write(WriteRefused("too big"))
    results = await accept(bulk, SENDER, documents(*[ALERT] * 3), None)
    assert [type(result.outcome) for result in results] == [WriteRefused, Accepted, Accepted]


@pytest.mark.parametrize("key", [None, "k"])
async def test_what_nobody_expected_rejects_its_own_document(
    bulk: Bulk, accepting: Accepting, key: str | None
) -> None:
    accepting.archive.refuse_write(RuntimeError("A statement cannot be run."))
    with structlog.testing.capture_logs() as logged:
        results = await accept(bulk, SENDER, documents(*[ALERT] * 3), key)
    outcomes = [result.outcome for result in results]
    assert [type(outcome) for outcome in outcomes] == [FlashNotifyError, Accepted, Accepted]
    assert [entry["event"] for entry in logged] == ["batch.item_failed"]
    assert isinstance(outcomes[0], FlashNotifyError)
    assert (outcomes[0].code, outcomes[0].status) == ("internal", 500)


async def test_too_many_documents_reject_the_whole_request(accepting: Accepting) -> None:
    bulk = Bulk(accepting.submission, limit=3)
    with pytest.raises(DocumentTooLarge):
        await accept(bulk, SENDER, documents(*[ALERT] * 4), None)
    assert accepting.stored() == []
    assert len(await accept(bulk, SENDER, documents(*[ALERT] * 3), None)) == 3


async def test_a_request_that_is_malformed_half_way_accepts_nothing(
    bulk: Bulk, accepting: Accepting
) -> None:
    body = json.dumps([ALERT, ALERT]).encode()[:-3]
    with pytest.raises(MalformedDocument):
        await accept(bulk, SENDER, read_array(body, 1000, bulk.slices), None)
    assert accepting.stored() == []


async def test_nothing_is_read_while_the_service_cannot_accept(
    bulk: Bulk, accepting: Accepting
) -> None:
    accepting.archive.overloaded = True

    async def unread() -> AsyncIterator[Document]:
        for document in (ALERT,):
            yield pytest.fail(f"{document} was read")

    with pytest.raises(Unavailable):
        await accept(bulk, SENDER, unread(), None)


async def test_a_request_that_broke_off_can_be_sent_again_with_its_key(
    bulk: Bulk, accepting: Accepting
) -> None:
    some = [ALERT | {"title": f"Alert {number}"} for number in range(3)]
    first = await accept(bulk, SENDER, documents(*some[:2]), "k-1")
    again = await accept(bulk, SENDER, documents(*some), "k-1")
    outcomes = [result.outcome for result in again if isinstance(result.outcome, Accepted)]
    assert [outcome.replayed for outcome in outcomes] == [True, True, False]
    assert [outcome.id for outcome in outcomes[:2]] == [
        result.outcome.id for result in first if isinstance(result.outcome, Accepted)
    ]
    # Another document in the same place is another request.
    changed = await accept(bulk, SENDER, documents(some[1], *some[1:]), "k-1")
    mixed = [IdempotencyMismatch, Accepted, Accepted]
    assert [type(result.outcome) for result in changed] == mixed
    assert len(accepting.stored()) == 3


async def test_one_rule_for_keys_holds_for_one_and_for_many(bulk: Bulk) -> None:
    """White space and the order of members do not matter."""
    await accept(bulk, SENDER, documents(ALERT), "k-1")
    body = json.dumps([dict(reversed(ALERT.items()))], indent=4).encode()
    (result,) = await accept(bulk, SENDER, read_array(body, 1000, bulk.slices), "k-1")
    assert isinstance(result.outcome, Accepted)
    assert result.outcome.replayed


async def test_a_batch_is_handled_in_parts(bulk: Bulk, accepting: Accepting) -> None:
    """All of it parsed at once would fill the memory."""
    stored = [
        len(accepting.stored()) async for _ in bulk.accept(SENDER, documents(*[ALERT] * 250), None)
    ]
    assert stored == [100] * 100 + [200] * 100 + [250] * 50
    long = ALERT | {"to": ["mailto:a@univ.example"] * 6000}
    results = bulk.accept(SENDER, documents(*[long] * 3), None)
    assert len([result async for result in results]) == 3


async def test_the_mistakes_of_a_batch_are_bounded(bulk: Bulk) -> None:
    wrong = ALERT | {"to": ["nonsense"] * 100}

    async def mistakes(number: int) -> list[int]:
        results = await accept(bulk, SENDER, documents(*[wrong] * number), None)
        return [len(r.outcome.errors) for r in results if isinstance(r.outcome, InvalidInput)]

    assert await mistakes(10) == [100] * 10
    assert await mistakes(150) == [10] * 100 + [1] * 50


async def test_nothing_is_checked_beyond_the_mistakes_that_are_listed(
    bulk: Bulk, accepting: Accepting, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = 0

    def refuse(address: str) -> str:
        nonlocal checked
        checked += 1
        raise InvalidValue("wrong", "is wrong")

    monkeypatch.setitem(accepting.submission.validation.audience.addresses, "tel", refuse)
    wrong = ALERT | {"to": ["tel:1"] * 100}
    results = await accept(bulk, SENDER, documents(*[wrong] * 200), None)
    assert checked == 100 * 10 + 100
    # Neither does an error keep anything else for the garbage collector to go through.
    for result in results:
        assert isinstance(result.outcome, InvalidInput)
        assert (result.outcome.__traceback__, result.outcome.__context__) == (None, None)


async def test_others_get_the_loop_while_documents_are_checked(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a document costs counts, not how many there are."""
    cost = 0.003
    clock = itertools.count()
    monkeypatch.setattr(time_slices, "perf_counter", lambda: next(clock) * cost)
    async with counted_turns() as turns:
        await accept(bulk, SENDER, documents(*[ALERT] * 20), None)
    assert turns.number >= 20
