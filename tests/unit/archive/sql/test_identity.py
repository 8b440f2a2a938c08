"""Users, sessions and families of tokens in SQL, each change with its audit entry."""

from dataclasses import replace

import pytest

from flashnotify.archive.identity_records import (
    AuditEntry,
    AuditFilter,
    Session,
    TokenFamily,
    User,
    UserFilter,
)
from flashnotify.domain import Role
from flashnotify.errors import WriteRefused
from tests.support.archives import Archive


def entry(number: int) -> AuditEntry:
    return AuditEntry(number, number, "local", None, "test.done", None, {}, b"", b"%d" % number)


def user(archive: Archive, **more: object) -> User:
    made = User(archive.ids(), "Ada Lovelace", Role.sender, created_at=1)
    return replace(made, **more)  # type: ignore[arg-type]  # of any field


async def test_a_user_is_found_as_it_was_stored(archive: Archive) -> None:
    users = archive.ports.users
    ada = user(
        archive,
        external_id="etu1",
        email="Ada@univ.example",
        kinds=frozenset({"academic"}),
        attributes={"campus": "Nord"},
        password_hash="$argon2id$…",
    )
    assert not await users.any()
    await users.add(ada, entry(1))
    assert await users.any()
    assert await users.find(ada.id) == ada
    assert await users.find_external("etu1") == ada
    assert await users.find_email("ADA@univ.example") == ada
    changed = replace(ada, name="Ada", active=False, role=Role.admin)
    await users.change(changed, entry(2))
    await users.record_seen(ada.id, 9)
    assert await users.find(ada.id) == replace(changed, last_seen_at=9)
    assert await users.admins() == 0
    assert "argon2" not in repr(ada)


@pytest.mark.parametrize("taken", [{"email": "a@univ.example"}, {"external_id": "etu1"}])
async def test_what_names_a_user_is_unique(archive: Archive, taken: dict[str, str]) -> None:
    await archive.ports.users.add(user(archive, **taken), entry(1))
    again = {name: value.upper() if name == "email" else value for name, value in taken.items()}
    with pytest.raises(WriteRefused):
        await archive.ports.users.add(user(archive, **again), entry(2))
    # An entry is stored with its change, or not at all.
    assert archive.one("SELECT count(*) FROM audit") == 1


async def test_users_are_listed_by_what_is_searched(archive: Archive) -> None:
    ada = user(archive, email="ada@univ.example")
    bob = user(archive, name="Bob 100%", external_id="etu2", role=Role.viewer)
    for number, each in enumerate((ada, bob), 1):
        await archive.ports.users.add(each, entry(number))

    async def found(**wanted: object) -> list[User]:
        page = await archive.ports.users.page(
            UserFilter(**wanted),  # type: ignore[arg-type]  # of any field
            limit=5,
            cursor=None,
        )
        return list(page.items)

    assert await found() == [bob, ada]
    assert await found(search="ADA@univ") == [ada]
    assert await found(search="etu2") == [bob]
    assert await found(search="100%") == [bob]
    assert await found(search="%") == [bob]
    assert await found(role=Role.viewer) == [bob]
    assert await found(active=False) == []


async def test_sessions(archive: Archive) -> None:
    ada, sessions = user(archive), archive.ports.sessions
    await archive.ports.users.add(ada, entry(1))
    began = archive.clock.now()
    first = Session(archive.ids(), b"1", ada.id, began, began, "192.0.2.1", "Firefox")
    second = replace(first, id=archive.ids(), token_hash=b"2")
    await sessions.add(first, [], entry(2))
    await sessions.add(second, [first.id], entry(3))
    assert await sessions.find(b"1") is None
    await sessions.record_seen(second.id, 7)
    assert await sessions.find(b"2") == replace(second, seen_at=7)
    assert await sessions.of_user(ada.id) == [replace(second, seen_at=7)]
    await sessions.remove([second.id], entry(4))
    assert await sessions.find(b"2") is None


@pytest.mark.parametrize(("created", "seen", "purged"), [(0, 0, 0), (1, 0, 1), (0, 1, 1)])
async def test_sessions_are_purged_once_over(
    archive: Archive, created: int, seen: int, purged: int
) -> None:
    ada, began = user(archive), archive.clock.now()
    await archive.ports.users.add(ada, entry(1))
    session = Session(archive.ids(), b"1", ada.id, began, began + 60_000, None, None)
    await archive.ports.sessions.add(session, [], entry(2))
    maintenance = archive.ports.maintenance
    more = await maintenance.purge_sessions(began + created, began + 60_000 + seen, 10)
    assert more is bool(purged)
    left = await archive.ports.sessions.of_user(ada.id)
    assert len(left) == 1 - purged


async def test_families_of_tokens(archive: Archive) -> None:
    families = archive.ports.token_families
    family = TokenFamily(archive.ids(), "user:1", 1, 1, 1, expires_at=9)
    await families.add(family, entry(1))
    await families.advance(family.id, 2, 3, entry(2))
    await families.revoke(family.id, 4, entry(3))
    await families.revoke(family.id, 5, entry(4))
    assert await families.find(family.id) == replace(family, generation=2, used_at=3, revoked_at=4)
    purge = archive.ports.maintenance.purge_token_families
    assert not await purge(9, 10)
    assert await families.find(family.id) is not None
    assert await purge(10, 10)
    assert await families.find(family.id) is None


async def test_the_audit_log_is_listed_newest_first(archive: Archive) -> None:
    audit = archive.ports.audit
    for number in range(1, 4):
        await audit.append(replace(entry(number), action=f"key.{number}", actor=f"user:{number}"))

    async def found(**wanted: object) -> list[int]:
        page = await audit.page(
            AuditFilter(**wanted),  # type: ignore[arg-type]  # of any field
            limit=9,
            cursor=None,
        )
        return [each.number for each in page.items]

    assert await found() == [3, 2, 1]
    assert await found(action="key.2") == [2]
    assert await found(action="key.") == [3, 2, 1]
    assert await found(action="key") == []
    assert await found(actor="user:1") == [1]
    assert await found(since=2, until=3) == [2]
    first = await audit.page(AuditFilter(), limit=2, cursor=None)
    rest = await audit.page(AuditFilter(), limit=2, cursor=first.next)
    assert [[each.number for each in page.items] for page in (first, rest)] == [[3, 2], [1]]
    assert rest.next is None
    assert [each.number for each in await audit.after(1, 9)] == [2, 3]
