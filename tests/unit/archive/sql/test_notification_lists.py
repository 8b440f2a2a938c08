"""Every filter of the notifications, and every combination, is answered from an index.

That index has whatever else is filtered by, so that no row is read in vain, and a page looks at no
more than some entries of it.
"""

from collections.abc import Awaitable
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest

from flashnotify.archive.records import DeliveryFilter, NotificationFilter, OutboxFilter
from flashnotify.archive.sql import lists
from flashnotify.domain import NotificationStatus, Outcome, Priority
from tests.support.archives import Archive
from tests.support.plans import steps_of
from tests.support.records import Records

FILTERS: dict[str, Any] = {
    "kind": "academic",
    "priority": Priority.critical,
    "status": NotificationStatus.completed,
    "outcome": Outcome.all_sent,
    "reference": "exam",
    "since": 5,
    "until": 2**45,
}
CURSOR = "AZtXtgAAcACAAAAAAAAAAA"


@pytest.mark.parametrize("status", [NotificationStatus.completed, NotificationStatus.queued])
@pytest.mark.parametrize("outcome", [Outcome.all_sent, Outcome.some_failed])
async def test_each_combination_of_filters_uses_an_index(
    archive: Archive, status: NotificationStatus, outcome: Outcome
) -> None:
    filters = FILTERS | {"status": status, "outcome": outcome}
    for number in range(len(filters) + 1):
        for names in combinations(filters, number):
            given = {name: filters[name] for name in names}
            read = archive.ports.notifications.page(
                NotificationFilter(**given), limit=9, cursor=CURSOR
            )
            steps = await steps_of(archive, "notifications", read)
            assert steps, given
            for step in steps:
                assert step.startswith("SEARCH notifications USING COVERING INDEX"), (given, step)
                assert index_of(given) in step, (given, step)


def index_of(given: dict[str, Any]) -> str:
    """Return how the index of a filter is looked into."""
    if "reference" in given:
        return "ix_notifications_reference (reference=? AND id"
    if given.get("status", "completed") != "completed":
        return "ix_notifications_unfinished (status=? AND id"
    if given.get("outcome", "all_sent") != "all_sent":
        return "ix_notifications_outcome (outcome=? AND id"
    if given.keys() & FILTERS.keys() - {"since", "until"} == {"kind"}:
        return "ix_notifications_kind (kind=? AND id"
    return "(id"


async def test_filters_of_one_sender_use_its_index(archive: Archive) -> None:
    """Whatever else is wanted is read from an index too: rows may be long."""
    for number in range(len(FILTERS) + 1):
        for names in combinations(FILTERS, number):
            given = {name: FILTERS[name] for name in names}
            read = archive.ports.notifications.page(
                NotificationFilter(**given, sender="a key"), limit=9, cursor=CURSOR
            )
            steps = await steps_of(archive, "notifications", read)
            index = "reference (reference=?" if "reference" in given else "sender (sender=?"
            assert steps, given
            for step in steps:
                start = "SEARCH notifications USING COVERING INDEX ix_notifications_"
                assert step.startswith(f"{start}{index} AND id"), (given, step)
            others = await steps_of(archive, "notifications_1", read_again(archive, given))
            assert {step.partition(" (")[0] for step in others} <= {COVERED}, given


COVERED = "SEARCH notifications_1 USING COVERING INDEX ix_notifications_filters"


def read_again(archive: Archive, given: dict[str, Any]) -> Awaitable[Any]:
    wanted = NotificationFilter(**given, sender="a key")
    return archive.ports.notifications.page(wanted, limit=9, cursor=CURSOR)


@pytest.mark.parametrize("given", [{}, {"to": "ada@univ.example"}, {"kind": "academic"}])
async def test_the_senders_of_deliveries_are_read_from_an_index(
    archive: Archive, given: dict[str, Any]
) -> None:
    await Records(archive.ports, archive.clock.now).accepted()
    wanted = DeliveryFilter(**given, sender="a key")
    read = archive.ports.deliveries.page(wanted, limit=9, cursor=CURSOR)
    steps = await steps_of(archive, "notifications_1", read)
    assert {step.partition(" (")[0] for step in steps} == {COVERED}


async def test_the_senders_of_events_and_captured_messages_are_read_from_an_index(
    archive: Archive,
) -> None:
    steps = await steps_of(archive, "notifications_1", archive.ports.events.after(0, 9))
    assert {step.partition(" (")[0] for step in steps} == {COVERED}
    read = archive.ports.outbox.page(OutboxFilter(sender="a key"), limit=9, cursor=None)
    steps = await steps_of(archive, "notifications_1", read)
    assert {step.partition(" (")[0] for step in steps} == {COVERED}


async def test_deliveries_of_one_sender_are_looked_at_in_turns_since_its_first(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "LOOKED_AT", 3)
    records = Records(archive.ports, archive.clock.now)
    for sender in ("other", "other", "own", "other", "other", "other"):
        await records.fanned_out(1, ("email",), sender=sender)
    wanted = DeliveryFilter(sender="own")
    first = await archive.ports.deliveries.page(wanted, limit=9, cursor=None)
    assert first.items == []
    second = await archive.ports.deliveries.page(wanted, limit=9, cursor=first.next)
    assert (len(second.items), second.next) == (1, None)
    nobody = DeliveryFilter(sender="nobody")
    found = await archive.ports.deliveries.page(nobody, limit=9, cursor=None)
    assert (found.items, found.next) == ([], None)


async def test_a_page_looks_at_some_rows_and_the_next_goes_on(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "LOOKED_AT", 3)
    records = Records(archive.ports, archive.clock.now)
    rare = [(await records.accepted(priority=Priority.critical))[0].id for _ in range(2)]
    for _ in range(7):
        await records.accepted()
    wanted = NotificationFilter(priority=Priority.critical)
    found: list[list[UUID]] = []
    cursor: str | None = None
    while cursor is not None or not found:
        page = await archive.ports.notifications.page(wanted, limit=1, cursor=cursor)
        found.append([item.id for item in page.items])
        cursor = page.next
    assert found == [[], [], [rare[1]], [rare[0]]]


async def test_deliveries_to_one_address_are_looked_at_in_turns(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "LOOKED_AT", 3)
    records = Records(archive.ports, archive.clock.now)
    await records.fanned_out(1, ("sms",))
    await records.fanned_out(4, ("email",))
    wanted = DeliveryFilter(to="ada@univ.example", channel="sms")
    page = await archive.ports.deliveries.page(wanted, limit=9, cursor=None)
    assert page.items == []
    page = await archive.ports.deliveries.page(wanted, limit=9, cursor=page.next)
    assert [(found.channel, page.next) for found in page.items] == [("sms", None)]
