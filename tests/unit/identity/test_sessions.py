"""Sessions: how long they last, what ends them, and what authenticating them costs."""

import asyncio
import re
from dataclasses import replace
from functools import partial

import pytest

from flashnotify.archive.identity_records import Session, User
from flashnotify.domain import Role
from flashnotify.errors import NotAuthenticated
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.sessions import SESSION_IDLE, SESSION_LIFETIME, Sessions
from tests.support.archives import Archive

HOUR = 3_600_000


class Signing:
    """A user and their sessions."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        ports, clock = archive.ports, archive.clock
        self.audit = Audit(ports.audit, clock)
        self.sessions = Sessions(ports.sessions, ports.users, self.audit, clock, archive.ids)
        self.ada = User(archive.ids(), "Ada", Role.sender, 1, kinds=frozenset({"academic"}))
        self.actor = Actor(f"user:{self.ada.id}", "192.0.2.1")

    async def add(self) -> None:
        write = partial(self.archive.ports.users.add, self.ada)
        await self.audit.record(self.actor, "user.created", write=write)

    async def change(self, **changes: object) -> None:
        """Change the user as `Users` does."""
        self.ada = replace(self.ada, **changes)  # type: ignore[arg-type]  # of any field
        write = partial(self.archive.ports.users.change, self.ada)
        await self.audit.record(self.actor, "user.changed", write=write)
        self.sessions.forget_users([self.ada])

    async def begin(self, replaced: str | None = None) -> str:
        return await self.sessions.begin(self.ada, "192.0.2.1", "Firefox", replaced)

    async def listed(self) -> list[Session]:
        return list(await self.sessions.of_user(self.ada.id))

    async def is_over(self, cookie: str) -> bool:
        try:
            await self.sessions.authenticate(cookie)
        except NotAuthenticated as error:
            return error.code == "session_ended"
        return False


@pytest.fixture
async def signing(archive: Archive) -> Signing:
    made = Signing(archive)
    await made.add()
    return made


async def test_a_cookie_authenticates_its_user(signing: Signing) -> None:
    cookie = await signing.begin()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", cookie)
    found = await signing.sessions.authenticate(cookie)
    assert found.user == signing.ada
    assert found.principal.id == f"user:{signing.ada.id}"
    assert found.principal.scopes == {"read", "notify:academic"}
    (session,) = await signing.listed()
    assert (session.address, session.user_agent) == ("192.0.2.1", "Firefox")


async def test_only_a_hash_of_the_cookie_is_stored_and_nothing_in_the_audit_log(
    signing: Signing,
) -> None:
    cookie = await signing.begin()
    rows = signing.archive.rows("SELECT hex(token_hash), user_agent FROM sessions")
    entries = signing.archive.rows("SELECT * FROM audit")
    assert cookie not in repr([*rows, *entries])
    assert cookie.encode().hex() not in repr(rows).lower()
    assert cookie not in repr(await signing.sessions.authenticate(cookie))


@pytest.mark.parametrize(
    "cookie", ["", "x", "é" * 43, "\udcff", "A" * 43, "A" * 44, "A" * 42 + "\n"]
)
async def test_what_is_no_session_is_refused(signing: Signing, cookie: str) -> None:
    await signing.begin()
    assert await signing.is_over(cookie)


async def test_a_tampered_cookie_is_refused(signing: Signing) -> None:
    cookie = await signing.begin()
    assert await signing.is_over(cookie[:-1])
    assert await signing.is_over(cookie + "A")
    assert await signing.is_over(cookie.swapcase())
    assert not await signing.is_over(cookie)


async def test_a_session_that_is_not_used_is_over(signing: Signing) -> None:
    cookie, clock = await signing.begin(), signing.archive.clock
    await clock.advance((SESSION_IDLE - 1) / 1000)
    assert not await signing.is_over(cookie)
    await clock.advance((SESSION_IDLE - 1) / 1000)
    assert not await signing.is_over(cookie)
    await clock.advance(SESSION_IDLE / 1000)
    assert await signing.listed() == []
    assert await signing.is_over(cookie)


async def test_no_session_outlasts_its_lifetime(signing: Signing) -> None:
    cookie, clock = await signing.begin(), signing.archive.clock
    for _ in range(SESSION_LIFETIME // (7 * HOUR) - 1):
        await clock.advance(7 * 3600)
        assert not await signing.is_over(cookie)
    await clock.advance(7 * 3600)
    assert await signing.is_over(cookie)


async def test_signing_in_replaces_the_session_before_it(signing: Signing) -> None:
    before = await signing.begin()
    assert not await signing.is_over(before)
    after = await signing.begin(replaced=before)
    assert after != before
    assert await signing.is_over(before)
    assert not await signing.is_over(after)
    assert len(await signing.listed()) == 1


async def test_an_ended_session_is_over_at_once(signing: Signing) -> None:
    cookie, other = await signing.begin(), await signing.begin()
    session = (await signing.sessions.authenticate(cookie)).session
    await signing.sessions.end(signing.actor, signing.ada.id, [session.id])
    assert await signing.is_over(cookie)
    assert not await signing.is_over(other)
    (entry,) = signing.archive.rows("SELECT * FROM audit WHERE action = 'session.ended'")
    assert str(session.id) in repr(entry)


async def test_a_session_that_ends_while_it_is_looked_up_is_over(
    signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = await signing.begin()
    (session,) = await signing.listed()
    find, looking, may_go_on = signing.archive.ports.users.find, asyncio.Event(), asyncio.Event()

    async def slow(id: object) -> User | None:
        looking.set()
        await may_go_on.wait()
        return await find(signing.ada.id)

    monkeypatch.setattr(signing.archive.ports.users, "find", slow)
    over = asyncio.create_task(signing.is_over(cookie))
    await looking.wait()
    await signing.sessions.end(signing.actor, signing.ada.id, [session.id])
    may_go_on.set()
    assert await over


@pytest.mark.parametrize("cached", [True, False])
async def test_a_deactivated_user_has_no_session(signing: Signing, cached: bool) -> None:
    cookie = await signing.begin()
    assert not cached or not await signing.is_over(cookie)
    await signing.change(active=False)
    assert await signing.is_over(cookie)
    assert await signing.listed() == []


async def test_a_new_password_ends_the_sessions_before_it(signing: Signing) -> None:
    before = await signing.begin()
    assert not await signing.is_over(before)
    await signing.archive.clock.advance(1)
    await signing.change(credentials_changed_at=signing.archive.clock.now())
    assert await signing.is_over(before)
    after = await signing.begin()
    assert not await signing.is_over(after)
    assert len(await signing.listed()) == 1
    signing.archive.clock.step(-3600)
    assert not await signing.is_over(await signing.begin())


async def test_a_new_role_counts_at_once(signing: Signing) -> None:
    cookie = await signing.begin()
    await signing.sessions.authenticate(cookie)
    await signing.change(role=Role.viewer)
    assert "read:all" in (await signing.sessions.authenticate(cookie)).principal.scopes


async def test_a_known_session_reads_no_database_and_is_written_once_a_minute(
    signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = await signing.begin()
    known = await signing.sessions.authenticate(cookie)
    monkeypatch.delattr(signing.archive.ports.sessions.__class__, "find")
    submitted = []
    submit = signing.archive.writer.submit

    def count(changes: list[object], *rest: object) -> object:
        submitted.append(changes)
        return submit(changes, *rest)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(signing.archive.writer, "submit", count)
    for _ in range(3):
        await signing.archive.clock.advance(25)
        assert await signing.sessions.authenticate(cookie) is known
        assert signing.sessions.is_valid(known)
    assert len(submitted) == 1


async def test_the_oldest_of_many_sessions_ends(signing: Signing) -> None:
    cookies = [await signing.begin() for _ in range(51)]
    assert len(await signing.listed()) == 50
    assert await signing.is_over(cookies[0])
    assert not await signing.is_over(cookies[1])


async def test_what_is_valid_ends_with_the_session(signing: Signing) -> None:
    known = await signing.sessions.authenticate(await signing.begin())
    assert signing.sessions.is_valid(known)
    await signing.sessions.end(signing.actor, signing.ada.id, [known.session.id])
    assert not signing.sessions.is_valid(known)


@pytest.mark.parametrize("change", ["credentials_changed_at", "active"])
async def test_a_session_does_not_begin_with_credentials_that_have_changed_meanwhile(
    signing: Signing, change: str
) -> None:
    proved, now = signing.ada, signing.archive.clock.now()
    await signing.change(active=change != "active", credentials_changed_at=now)
    signing.archive.clock.step(0.001)
    with pytest.raises(NotAuthenticated, match="changed meanwhile"):
        await signing.sessions.begin(proved, None, None)
    assert await signing.listed() == []
