"""API keys: their form, their authentication, and what is stored."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from flashnotify.archive.api_key_records import ApiKey
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.domain import Priority, Role
from flashnotify.errors import Conflict, NotAuthenticated, NotFound, NotPermitted, Unavailable
from flashnotify.identity.api_keys import ApiKeys, NewKey
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.key_format import checksum
from flashnotify.identity.key_terms import KeyTerms
from flashnotify.identity.principal import Principal
from flashnotify.kinds.academic import AcademicNotifier
from flashnotify.kinds.security import SecurityNotifier
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive

PEPPER = b"p" * 32
ADMIN = Actor("user:1")


@pytest.fixture
def archive() -> MemoryArchive:
    return MemoryArchive()


@pytest.fixture
def keys(archive: MemoryArchive, clock: ManualClock) -> ApiKeys:
    return keys_of(archive, clock)


def keys_of(archive: MemoryArchive, clock: ManualClock, *peppers: bytes) -> ApiKeys:
    pepper, *previous = peppers or (PEPPER,)
    return ApiKeys(archive.api_keys, Audit(archive.audit, clock), clock, pepper, previous)


async def make(keys: ApiKeys, **more: Any) -> NewKey:
    """Create a key that may send academic notifications up to high."""
    scopes = frozenset({"notify:academic"})
    return await keys.create(KeyTerms(name="registrar", scopes=scopes, **more), ADMIN)


async def refusal(keys: ApiKeys, token: str) -> str:
    """Return the code of the error that a token is refused with."""
    with pytest.raises(NotAuthenticated) as failure:
        await keys.authenticate(token)
    return failure.value.code


async def test_a_key_authenticates_its_principal(keys: ApiKeys) -> None:
    key = await make(keys)
    principal = await keys.authenticate(key.token)
    expected = Principal(key.id, frozenset({"notify:academic"}), Priority.high, name="registrar")
    assert principal == expected


async def test_a_key_has_its_form(keys: ApiKeys) -> None:
    key = await make(keys)
    assert re.fullmatch(r"fn_[0-9a-z]{10}_[0-9A-Za-z]{43}[0-9A-Za-z]{6}", key.token)
    assert key.token.startswith(f"fn_{key.id}_")
    assert (await make(keys)).token != key.token


async def test_only_an_hmac_of_the_secret_is_stored(keys: ApiKeys, archive: MemoryArchive) -> None:
    key = await make(keys)
    secret = key.token.rpartition("_")[2]
    stored = archive.state.api_keys[key.id]
    assert len(stored.secret_hmac) == 32
    assert secret[:12] not in repr(stored)
    assert secret[12:43] not in repr(stored)


async def test_keys_of_a_previous_pepper_stay_valid(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    old = await make(keys)
    rotated = keys_of(archive, clock, b"q" * 32, b"r" * 32, PEPPER)
    assert (await rotated.authenticate(old.token)).id == old.id
    new = await make(rotated)
    assert (await rotated.authenticate(new.token)).id == new.id
    assert await refusal(keys, new.token) == "unknown_key"


async def test_keys_of_another_pepper_are_unknown(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    key = await make(keys)
    other = keys_of(archive, clock, b"q" * 32)
    assert await refusal(other, key.token) == "unknown_key"


Change = Callable[[str], str]


@pytest.mark.parametrize(
    "change",
    [
        lambda token: "",
        lambda token: "fn_",
        lambda token: token[:-1],
        lambda token: token + "0",
        lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
        lambda token: token[:20] + ("0" if token[20] != "0" else "1") + token[21:],
        lambda token: token[:5] + ("0" if token[5] != "0" else "1") + token[6:],
        lambda token: token.replace("fn_", "sk_", 1),
        lambda token: token.swapcase(),
        lambda token: f" {token}",
        lambda token: token.replace("_", "-"),
        lambda token: "é" * 63,
        lambda token: "\udcff" * 63,
    ],
)
async def test_a_malformed_key_is_refused_without_a_look_up(
    keys: ApiKeys, change: Change, archive: MemoryArchive
) -> None:
    key = await make(keys)
    archive.refuse_read(AssertionError("it was looked up"))
    assert await refusal(keys, change(key.token)) == "malformed_key"


async def test_a_forged_secret_with_a_good_checksum_is_refused(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    key = await make(keys)
    # Another service's key, moved to this id: its form is right.
    other = await make(keys_of(archive, clock, b"q" * 32))
    for token in (
        other.token,
        with_checksum(key.id, "A" * 43),
        with_checksum("x" * 10, "A" * 43),
    ):
        assert await refusal(keys, token) == "unknown_key"


def with_checksum(id: str, secret: str) -> str:
    return f"fn_{id}_{secret}{checksum(id, secret)}"


async def test_a_revoked_key_is_refused_at_once_though_it_was_cached(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    key, other = await make(keys), await make(keys)
    await keys.authenticate(key.token)
    await keys.authenticate(other.token)
    await keys.revoke(key.id, ADMIN)
    assert await refusal(keys, key.token) == "revoked_key"
    await keys.authenticate(other.token)
    # And after a restart.
    restarted = keys_of(archive, clock)
    assert await refusal(restarted, key.token) == "revoked_key"


async def test_revoking_again_keeps_the_first_moment(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    key = await make(keys)
    await keys.revoke(key.id, ADMIN)
    first = clock.now()
    await clock.advance(60)
    await keys.revoke(key.id, ADMIN)
    assert archive.state.api_keys[key.id].revoked_at == first


async def test_revoking_an_unknown_key_is_refused(keys: ApiKeys) -> None:
    with pytest.raises(NotFound):
        await keys.revoke("nothing", ADMIN)


async def test_a_key_expires_though_it_was_cached(keys: ApiKeys, clock: ManualClock) -> None:
    key = await make(keys, expires_at=clock.now() + 10_000)
    await keys.authenticate(key.token)
    await clock.advance(9.999)
    await keys.authenticate(key.token)
    await clock.advance(0.001)
    assert await refusal(keys, key.token) == "expired_key"


async def test_both_secrets_of_a_rotated_key_are_valid_for_a_while(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    old = await make(keys)
    before = await keys.authenticate(old.token)
    until = clock.now() + 10_000
    new = await keys.rotate(old.id, until, ADMIN)
    assert (new.id, new.token == old.token) == (old.id, False)
    # What was authenticated before, such as an event stream, has to begin again.
    assert not keys.is_valid(before)
    for restarted in (keys, keys_of(archive, clock)):
        assert (await restarted.authenticate(old.token)).expires_at == until
        assert (await restarted.authenticate(new.token)).expires_at is None
    await clock.advance(10)
    assert await refusal(keys, old.token) == "rotated_key"
    assert await refusal(keys_of(archive, clock), old.token) == "rotated_key"
    assert keys.is_valid(await keys.authenticate(new.token))


async def test_a_second_rotation_ends_the_first_secret(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    first = await make(keys)
    await keys.authenticate(first.token)
    second = await keys.rotate(first.id, clock.now() + 10_000, ADMIN)
    third = await keys.rotate(first.id, clock.now(), ADMIN)
    assert await refusal(keys, first.token) == "unknown_key"
    assert await refusal(keys, second.token) == "rotated_key"
    await keys.authenticate(third.token)


async def test_a_key_that_is_rotated_during_its_look_up_is_looked_up_again(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    key = await make(keys)
    looking = asyncio.create_task(keys.authenticate(key.token))
    find, found = archive.api_keys.find, asyncio.Event()

    async def slow(id: str) -> ApiKey | None:
        stored = await find(id)
        await found.wait()
        return stored

    archive.api_keys.find = slow  # type: ignore[method-assign]
    await asyncio.sleep(0)
    archive.api_keys.find = find  # type: ignore[method-assign]
    await keys.rotate(key.id, clock.now() + 5, ADMIN)
    found.set()
    assert (await looking).expires_at == clock.now() + 5


async def test_what_a_secret_proved_in_its_last_millisecond_ends_with_it(
    keys: ApiKeys, clock: ManualClock
) -> None:
    key = await make(keys)
    proved = await keys.authenticate(key.token)
    await keys.rotate(key.id, clock.now(), ADMIN)
    with pytest.raises(NotAuthenticated) as failure:
        await keys.find(key.id, proved.fingerprint)
    assert failure.value.code == "rotated_key"


async def test_a_rotation_counts_though_its_caller_is_gone(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    key = await make(keys)
    await keys.authenticate(key.token)
    rotate, going_on = archive.api_keys.rotate, asyncio.Event()

    async def slow(id: str, secret_hmac: bytes, until: int, entry: AuditEntry) -> None:
        await rotate(id, secret_hmac, until, entry)
        await going_on.wait()

    archive.api_keys.rotate = slow  # type: ignore[method-assign]
    rotating = asyncio.create_task(keys.rotate(key.id, clock.now(), ADMIN))
    for _ in range(5):
        await asyncio.sleep(0)
    rotating.cancel()
    going_on.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert await refusal(keys, key.token) == "rotated_key"


async def test_a_rotated_secret_of_an_expired_key_is_called_expired(
    keys: ApiKeys, clock: ManualClock
) -> None:
    key = await make(keys, expires_at=clock.now() + 10)
    await keys.rotate(key.id, clock.now() + 20, ADMIN)
    await clock.advance(0.01)
    assert await refusal(keys, key.token) == "expired_key"


async def test_a_key_that_is_over_is_not_rotated(keys: ApiKeys, clock: ManualClock) -> None:
    expired = await make(keys, expires_at=clock.now() + 1)
    revoked = await make(keys)
    await keys.revoke(revoked.id, ADMIN)
    await clock.advance(1)
    for key in (expired, revoked):
        with pytest.raises(Conflict) as failure:
            await keys.rotate(key.id, clock.now(), ADMIN)
        assert failure.value.code == "key_over"
    with pytest.raises(NotFound):
        await keys.rotate("nothing", clock.now(), ADMIN)


async def test_changes_of_keys_are_audited_without_secrets(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    key = await make(keys, channels=frozenset({"email"}))
    new = await keys.rotate(key.id, clock.now() + 5, ADMIN)
    await keys.revoke(key.id, ADMIN)
    await keys.revoke(key.id, ADMIN)
    entries = [(e.actor, e.action, e.target, e.details) for e in archive.state.audit]
    of_key = f"key:{key.id}"
    fields = ["channels", "max_priority", "name", "scopes"]
    created = {"scopes": ["notify:academic"], "fields": fields}
    assert entries == [
        ("user:1", "key.created", of_key, created),
        ("user:1", "key.rotated", of_key, {"previous_expires_at": clock.now() + 5}),
        ("user:1", "key.revoked", of_key, {}),
    ]
    for token in (key.token, new.token):
        assert token.rpartition("_")[2][:12] not in repr(archive.state.audit)
    assert archive.state.api_keys[key.id].owner == "user:1"


async def test_a_key_that_expires_soon_is_in_the_log_once_a_day(
    keys: ApiKeys, clock: ManualClock
) -> None:
    day = 86_400
    key = await make(keys, expires_at=clock.now() + 16 * day * 1000)
    with capture_logs() as lines:
        for _ in range(8):
            await keys.authenticate(key.token)
            await clock.advance(day / 2)
    assert [line["event"] for line in lines] == ["key.expires_soon"] * 2
    assert {line["id"] for line in lines} == {key.id}
    assert keys.expires_soon(await keys.authenticate(key.token))
    assert not keys.expires_soon(await keys.authenticate((await make(keys)).token))


async def test_a_key_shows_from_where_it_was_used(keys: ApiKeys, archive: MemoryArchive) -> None:
    key = await make(keys)
    await keys.authenticate(key.token, lambda: "192.0.2.7")
    # Asked for at most once a minute.
    await keys.authenticate(key.token, lambda: pytest.fail("it was asked for"))
    assert archive.state.api_keys[key.id].last_used_from == "192.0.2.7"


async def test_last_use_is_written_at_most_once_a_minute(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    key = await make(keys)
    assert archive.state.api_keys[key.id].last_used_at is None
    first = clock.now()
    for _ in range(50):
        await keys.authenticate(key.token)
        await clock.advance(1)
    assert archive.state.api_keys[key.id].last_used_at == first
    await clock.advance(10)
    await keys.authenticate(key.token)
    assert archive.state.api_keys[key.id].last_used_at == first + 60_000
    assert archive.writes == ["api_keys.add", "api_keys.record_use", "api_keys.record_use"]


async def test_a_key_is_looked_up_once(keys: ApiKeys, archive: MemoryArchive) -> None:
    key = await make(keys)
    await keys.authenticate(key.token)
    archive.refuse_read(AssertionError("it was looked up"))
    for _ in range(3):
        await keys.authenticate(key.token)


async def test_keys_work_while_nothing_can_be_written(
    keys: ApiKeys, archive: MemoryArchive
) -> None:
    key = await make(keys)
    archive.refuse_write()
    assert (await keys.authenticate(key.token)).id == key.id
    archive.refuse_write()
    with pytest.raises(Unavailable):
        await make(keys)


async def test_a_principal_has_the_permissions_of_its_scopes() -> None:
    def principal(*scopes: str) -> Principal:
        return Principal("id", frozenset(scopes), Priority.high)

    principal("read").require("read")
    principal("admin").require("notify:academic")
    principal("notify:*").require("notify:academic")
    principal("notify:academic").require("notify:academic")
    principal("read:all").require("read")
    for scopes, wanted in (
        (("read",), "notify:academic"),
        (("notify:academic",), "notify:security"),
        (("notify:academic",), "read"),
        (("notify:*",), "read"),
        (("read",), "read:all"),
        (("notify:*",), "admin"),
        ((), "read"),
    ):
        with pytest.raises(NotPermitted, match=re.escape(f"--scope {wanted}")) as failure:
            principal(*scopes).require(wanted)
        assert failure.value.code == "missing_scope"


async def test_people_are_told_to_ask_an_admin_for_a_scope() -> None:
    sender = Principal("user:x", frozenset({"read"}), Priority.high, role=Role.sender)
    with pytest.raises(NotPermitted, match=r"Your account lacks the scope 'admin'\. Ask an admin"):
        sender.require("admin")


async def test_a_key_sends_up_to_its_priority_or_that_of_the_kind() -> None:
    principal = Principal("id", frozenset(), Priority.medium)
    academic, security = AcademicNotifier.__notifier__, SecurityNotifier.__notifier__
    principal.require_priority(Priority.medium, academic)
    principal.require_priority(Priority.critical, security)
    with pytest.raises(NotPermitted) as failure:
        principal.require_priority(Priority.high, academic)
    assert failure.value.code == "priority_not_allowed"
