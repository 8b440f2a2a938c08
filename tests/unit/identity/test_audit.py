"""The audit log: its entries follow one another, and one that is tampered with shows."""

import asyncio
import sqlite3

import pytest

from flashnotify.archive.identity_records import AuditEntry
from flashnotify.errors import Unavailable
from flashnotify.identity.audit import Actor, Audit, _hash
from tests.support.archives import Archive

ADMIN = Actor("user:1", "192.0.2.1")


@pytest.fixture
async def audit(archive: Archive) -> Audit:
    audit = Audit(archive.ports.audit, archive.clock)
    for number in range(1, 6):
        await audit.record(ADMIN, "key.created", f"key:{number}", {"scopes": ["read"]})
    assert (await audit.verify()).broken == []
    return audit


@pytest.mark.parametrize("number", [0, -5])
async def test_an_entry_that_was_put_before_the_first_is_found(
    audit: Audit, archive: Archive, number: int
) -> None:
    values = (number, 1, "user:1", None, "key.created", "key:1")
    forged = _hash(bytes(32), *values, {})
    sql = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, '{}', ?, ?)"
    archive.change(sql, *values, bytes(32), forged)
    assert number in (await audit.verify()).broken


async def test_a_write_that_fails_after_it_was_stored_breaks_no_later_one(
    audit: Audit, archive: Archive
) -> None:
    async def write(entry: AuditEntry) -> None:
        await archive.ports.audit.append(entry)
        raise Unavailable("later", retry_after=1)

    with pytest.raises(Unavailable):
        await audit.record(ADMIN, "key.revoked", write=write)
    await audit.record(ADMIN, "key.revoked")
    found = await audit.verify()
    assert (found.number, found.broken) == (7, [])


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE audit SET target = 'key:9' WHERE number = 2", [2]),
        ("UPDATE audit SET details = '{}' WHERE number = 5", [5]),
        ("UPDATE audit SET at = at + 1 WHERE number = 1", [1]),
        ("DELETE FROM audit WHERE number = 3", [4]),
        ("DELETE FROM audit WHERE number = 1", [2]),
        ("UPDATE audit SET number = 9 WHERE number = 4", [5, 9]),
        ("UPDATE audit SET details = 'x' WHERE number = 3", [4]),
    ],
)
async def test_what_was_tampered_with_is_found(
    audit: Audit, archive: Archive, change: str, broken: list[int]
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
        archive.change(change)
    # Whoever may write to the file can do this too.
    archive.change("DROP TRIGGER audit_update")
    archive.change("DROP TRIGGER audit_delete")
    archive.change(change)
    assert (await audit.verify()).broken == broken


async def test_an_entry_that_was_forged_with_its_hash_breaks_the_next(
    audit: Audit, archive: Archive
) -> None:
    (entry,) = await archive.ports.audit.after(2, 1)
    values = (entry.number, entry.at, "nobody", entry.address, entry.action, entry.target)
    forged = _hash(entry.previous, *values, entry.details)
    archive.change("DROP TRIGGER audit_update")
    archive.change("UPDATE audit SET actor = 'nobody', hash = ? WHERE number = 3", forged)
    assert (await audit.verify()).broken == [4]


async def test_a_long_log_is_verified_in_parts(
    audit: Audit, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flashnotify.identity.audit._STEP", 2)
    monkeypatch.setattr("flashnotify.identity.audit._VERIFIED", 2)
    archive.change("DROP TRIGGER audit_delete")
    archive.change("DELETE FROM audit WHERE number = 4")
    first = await audit.verify()
    assert (first.number, first.broken, first.complete) == (2, [], False)
    second = await audit.verify(first.number)
    assert (second.number, second.broken) == (5, [5])


async def test_removed_newest_entries_show_beside_a_copy_of_their_hash(
    audit: Audit, archive: Archive
) -> None:
    kept = await audit.verify()
    assert await audit.has(kept.number, kept.hash)
    archive.change("DROP TRIGGER audit_delete")
    archive.change("DELETE FROM audit WHERE number = 5")
    assert (await audit.verify()).broken == []
    assert not await audit.has(kept.number, kept.hash)
    assert not await audit.has(4, kept.hash)


async def test_entries_made_at_once_follow_one_another(audit: Audit, archive: Archive) -> None:
    await asyncio.gather(*(audit.record(ADMIN, "session.begun") for _ in range(20)))
    assert archive.one("SELECT count(*) FROM audit") == 25
    assert (await Audit(archive.ports.audit, archive.clock).verify()).broken == []


async def test_a_refused_change_leaves_no_entry(audit: Audit, archive: Archive) -> None:
    async def refuse(_: AuditEntry) -> None:
        raise Unavailable("The disk is full.")

    with pytest.raises(Unavailable):
        await audit.record(ADMIN, "user.created", write=refuse)
    await audit.record(ADMIN, "user.created")
    assert archive.one("SELECT max(number) FROM audit") == 6
    assert (await audit.verify()).broken == []


async def test_a_cancelled_caller_leaves_the_log_whole(audit: Audit, archive: Archive) -> None:
    recording = asyncio.create_task(audit.record(ADMIN, "user.created"))
    await asyncio.sleep(0)
    recording.cancel()
    await audit.record(ADMIN, "user.changed")
    assert archive.rows("SELECT action FROM audit WHERE number > 5 ORDER BY number") == [
        ("user.created",),
        ("user.changed",),
    ]
    assert (await audit.verify()).broken == []
