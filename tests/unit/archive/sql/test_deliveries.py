"""Every filter of the deliveries, and every combination, is answered from an index."""

from itertools import combinations
from typing import Any
from uuid import UUID

import pytest

from flashnotify.archive.records import DeliveryFilter
from flashnotify.domain import DeliveryStatus
from tests.support.archives import Archive
from tests.support.plans import steps_of
from tests.support.records import Records

FILTERS: dict[str, Any] = {
    "to": "ada@univ.example",
    "kind": "academic",
    "status": DeliveryStatus.queued,
    "channel": "email",
    "since": 5,
    "until": 2**45,
}
USER = UUID("01a204ab-133f-7000-95d3-66f8d33980d8")
CURSOR = "AZtXtgAAcACAAAAAAAAAAA"


@pytest.fixture
async def archive(archive: Archive) -> Archive:
    """An archive with deliveries of two kinds on two channels."""
    records = Records(archive.ports, archive.clock.now)
    for kind in ("academic", "security"):
        await records.fanned_out(2, ("email", "sms"), kind=kind)
    return archive


async def check_plan(archive: Archive, wanted: DeliveryFilter, index: str) -> None:
    """Check that the list of `wanted` reads nothing but entries of `index`, in order."""
    read = archive.ports.deliveries.page(wanted, limit=9, cursor=CURSOR)
    steps = await steps_of(archive, "deliveries", read)
    # The least combination, at the end of its index.
    steps.discard("SEARCH deliveries USING COVERING INDEX ix_deliveries_filters (kind>?)")
    assert steps, wanted
    assert all(step.startswith("SEARCH") and index in step for step in steps), (wanted, steps)


async def test_each_combination_of_filters_uses_an_index(archive: Archive) -> None:
    for number in range(len(FILTERS) + 1):
        for names in combinations(FILTERS, number):
            index = "PRIMARY KEY (id"
            if "to" in names:
                index = "INDEX ix_deliveries_address (<expr>=? AND id"
            elif {"kind", "channel", "status"} & set(names):
                index = "INDEX ix_deliveries_filters (kind=? AND channel=? AND status=? AND id"
            wanted = DeliveryFilter(**{name: FILTERS[name] for name in names})
            await check_plan(archive, wanted, index)


async def test_the_combinations_that_there_are_take_one_look_each(archive: Archive) -> None:
    wanted = DeliveryFilter(channel="email")
    read = archive.ports.deliveries.page(wanted, limit=9, cursor=None)
    steps = await steps_of(archive, "d", read)
    # One with fewer columns would go through all of a combination to find the next.
    index = "ix_deliveries_filters ((kind,channel,status,id)>(?,?,?,?))"
    assert steps == {f"SEARCH d USING COVERING INDEX {index}"}


@pytest.mark.parametrize("names", [(), ("status",), ("channel",), ("status", "channel")])
async def test_the_deliveries_of_a_notification_use_its_index(
    archive: Archive, names: tuple[str, ...]
) -> None:
    wanted = DeliveryFilter(archive.ids(), **{name: FILTERS[name] for name in names})
    await check_plan(archive, wanted, "INDEX ix_deliveries_notification (notification_id=? AND id")


@pytest.mark.parametrize("sender", [None, "user:ada"])
async def test_the_deliveries_of_a_person_use_their_index(
    archive: Archive, sender: str | None
) -> None:
    others = [name for name in FILTERS if name != "to"]
    for number in range(len(others) + 1):
        for names in combinations(others, number):
            given = {name: FILTERS[name] for name in names}
            wanted = DeliveryFilter(user=USER, sender=sender, **given)
            await check_plan(archive, wanted, "INDEX ix_deliveries_user (user_id=? AND id")
