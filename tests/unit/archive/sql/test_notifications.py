"""Reading notifications with damaged JSON and long audiences."""

import pytest

from flashnotify.archive.records import NotificationFilter
from flashnotify.domain import Address
from tests.support.archives import Archive
from tests.support.records import Records


@pytest.mark.parametrize(
    ("column", "json"),
    [
        ("audience", '["mailto:a@univ'),
        ("audience", '[{"mailto": "a@univ.example"}]'),
        ("audience", "7"),
        ("data", ""),
        ("data", "[]"),
        ("channels", '{"email": true}'),
    ],
)
async def test_a_damaged_notification_is_found_and_listed_without_its_content(
    archive: Archive, column: str, json: str
) -> None:
    records = Records(archive.ports, archive.clock.now)
    damaged, _ = await records.accepted(title="Damaged")
    sound, _ = await records.accepted()
    archive.change(f"UPDATE notifications SET {column} = ? WHERE title = 'Damaged'", json)
    found = await archive.ports.notifications.find(damaged.id)
    assert found is not None
    assert (found.damaged, found.data) == (True, {})
    assert list(found.audience) == ([] if column == "audience" else list(damaged.audience))
    page = await archive.ports.notifications.page(NotificationFilter(), limit=9, cursor=None)
    assert [item.id for item in page.items] == [sound.id, damaged.id]
    assert page.items[0].data == sound.data
    assert page.items[1].data == ({} if column != "audience" else damaged.data)
    assert page.items[1].channels is None
    if column == "audience":
        assert await archive.ports.notifications.find(damaged.id, audience=False) is not None


async def test_an_api_key_whose_scopes_are_damaged_has_none(archive: Archive) -> None:
    archive.change(
        "INSERT INTO api_keys VALUES ('a', 'Ada', x'00', 'read', 1, 5, NULL, NULL, NULL)"
    )
    found = await archive.ports.api_keys.find("a")
    assert found is not None
    assert found.scopes == frozenset()
    assert await archive.ports.api_keys.all() == [found]


async def test_an_audience_is_a_sequence_of_addresses(archive: Archive) -> None:
    records = Records(archive.ports, archive.clock.now)
    audience = tuple(Address("mailto", f"{n}:x@univ.example") for n in range(50))
    accepted, _ = await records.accepted(audience=audience)
    found = await archive.ports.notifications.find(accepted.id)
    assert found is not None
    assert len(found.audience) == 50
    assert list(found.audience[10:12]) == list(audience[10:12])
    assert found.audience[-1] == audience[-1]
    assert tuple(found.audience) == audience
