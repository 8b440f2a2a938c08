"""Reading notifications with damaged JSON and long audiences."""

import pytest

from flashnotify.archive.records import NotificationFilter
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
