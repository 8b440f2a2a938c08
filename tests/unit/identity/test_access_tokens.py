"""Access tokens: what is known of them is dropped in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from flashnotify.archive.identity_records import TokenFamily, User
from flashnotify.domain import Role
from flashnotify.errors import NotAuthenticated, Unavailable
from flashnotify.identity import access_tokens
from flashnotify.identity.access_tokens import AccessTokens
from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.roles import user_principal
from flashnotify.identity.token_grants import Issued, TokenGrants
from flashnotify.identity.tokens import Tokens
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from tests.support.archives import Archive
from tests.support.loop_turns import some_turns
from tests.support.manual_clock import ManualClock

SECRET = b"s" * 32


class Granting:
    """Grants over an archive, and a user."""

    def __init__(self, archive: Archive, clock: ManualClock, threads: ThreadPoolQueue) -> None:
        self.archive = archive
        audit = Audit(archive.ports.audit, clock)
        keys = ApiKeys(archive.ports.api_keys, audit, clock, SECRET)
        stored = (archive.ports.token_families, archive.ports.users)
        tokens = Tokens([SECRET], "http://x", clock)
        self.access = AccessTokens(tokens, *stored, keys, clock, threads)
        self.grants = TokenGrants(self.access, audit, archive.ids)
        self.audit = audit
        self.ada = User(archive.ids(), "Ada", Role.viewer, clock.now())

    async def issue(self) -> Issued:
        """Issue tokens for the user."""
        return await self.grants.issue(user_principal(self.ada), None, "password", None)


@pytest.fixture
async def granting(archive: Archive, clock: ManualClock) -> AsyncIterator[Granting]:
    threads = ThreadPoolQueue(1)
    made = Granting(archive, clock, threads)

    async def write(entry: Any) -> None:
        await archive.ports.users.add(made.ada, entry)

    await made.audit.record(Actor("local"), "user.created", write=write)
    yield made
    threads.close()


def hold_the_first_read(
    granting: Granting, monkeypatch: pytest.MonkeyPatch
) -> tuple[asyncio.Event, asyncio.Event]:
    """Hold the next read of a family once it has read; return its events `reading`, `go_on`."""
    find = type(granting.access.families).find
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def slow(families: Any, id: UUID) -> TokenFamily | None:
        found: TokenFamily | None = await find(families, id)
        if not reading.is_set():
            reading.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(type(granting.access.families), "find", slow)
    return reading, go_on


async def test_a_token_revoked_during_its_look_up_is_refused(
    granting: Granting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up has read the family when it is revoked."""
    issued = await granting.issue()
    reading, go_on = hold_the_first_read(granting, monkeypatch)
    looking = asyncio.create_task(granting.access.authenticate(issued.access_token))
    await reading.wait()
    await granting.grants.revoke(issued.access_token, None)
    go_on.set()
    with pytest.raises(NotAuthenticated):
        await looking


async def test_a_revocation_whose_caller_leaves_is_effective(
    granting: Granting, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoke, writing = type(granting.access.families).revoke, asyncio.Event()

    async def noted(*arguments: Any) -> None:
        writing.set()
        await revoke(*arguments)

    monkeypatch.setattr(type(granting.access.families), "revoke", noted)
    issued = await granting.issue()
    await granting.access.authenticate(issued.access_token)
    revoking = asyncio.create_task(granting.grants.revoke(issued.access_token, None))
    await writing.wait()
    revoking.cancel()
    await granting.audit.record(Actor("local"), "key.created")
    with pytest.raises(NotAuthenticated):
        await granting.access.authenticate(issued.access_token)


async def test_a_slow_refresh_does_not_put_the_generation_back(
    granting: Granting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refreshed(token: str | None) -> str | None:
        return (await granting.grants.refresh(str(token), None, None)).refresh_token

    async def twice() -> str | None:
        return await refreshed(await refreshed(first))

    first = (await granting.issue()).refresh_token
    reading, go_on = hold_the_first_read(granting, monkeypatch)
    slow_one = asyncio.create_task(refreshed(first))
    await reading.wait()
    others = asyncio.create_task(twice())
    await some_turns()
    go_on.set()
    await slow_one
    assert await refreshed(await others) is not None
    assert granting.archive.one("SELECT generation FROM token_families") == 4


async def test_a_refused_commit_issues_and_uses_up_nothing(
    granting: Granting, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = await granting.issue()
    refresh = issued.refresh_token
    assert refresh is not None

    async def refuse(*_: Any) -> None:
        raise Unavailable("The disk is full.")

    with monkeypatch.context() as full:
        full.setattr(granting.archive.writer, "write", refuse)
        with pytest.raises(Unavailable):
            await granting.issue()
        with pytest.raises(Unavailable):
            await granting.grants.refresh(refresh, None, None)
    assert (await granting.grants.refresh(refresh, None, None)).refresh_token is not None
    assert granting.archive.one("SELECT max(generation) FROM token_families") == 2


async def test_known_tokens_are_bounded(
    granting: Granting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(granting.access, "_known", type(granting.access._known)(2))
    issued = [(await granting.issue()).access_token for _ in range(4)]
    for token in issued:
        await granting.access.authenticate(token)
    assert len(granting.access._known) == 2
    await granting.access.authenticate(issued[0])
    assert access_tokens._CACHED == 10_000


async def test_no_token_is_issued_for_credentials_that_have_changed_meanwhile(
    granting: Granting, clock: ManualClock
) -> None:
    changed = replace(granting.ada, credentials_changed_at=clock.now())

    async def write(entry: Any) -> None:
        await granting.archive.ports.users.change(changed, entry)

    await granting.audit.record(Actor("local"), "password.changed", write=write)
    clock.step(0.001)
    principal = user_principal(granting.ada)
    with pytest.raises(NotAuthenticated, match="changed meanwhile"):
        await granting.grants.issue(principal, None, "password", None, user=granting.ada)
    assert granting.archive.rows("SELECT * FROM token_families") == []
