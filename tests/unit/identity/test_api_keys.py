"""API keys: their form, their authentication, and what is stored."""

import re
from collections.abc import Callable

import pytest

from flashnotify.domain import Priority
from flashnotify.errors import NotAuthenticated, NotFound, NotPermitted, Unavailable
from flashnotify.identity.api_keys import ApiKeys, NewKey, _checksum
from flashnotify.identity.principal import Principal
from flashnotify.kinds.academic import AcademicNotifier
from flashnotify.kinds.security import SecurityNotifier
from tests.support.manual_clock import ManualClock
from tests.support.memory_archive import MemoryArchive

PEPPER = b"p" * 32


@pytest.fixture
def archive() -> MemoryArchive:
    return MemoryArchive()


@pytest.fixture
def keys(archive: MemoryArchive, clock: ManualClock) -> ApiKeys:
    return ApiKeys(archive.api_keys, clock, PEPPER)


async def make(keys: ApiKeys, expires_at: int | None = None) -> NewKey:
    """Create a key that may send academic notifications up to high."""
    return await keys.create(
        "registrar", ["notify:academic"], max_priority=Priority.high, expires_at=expires_at
    )


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
    rotated = ApiKeys(archive.api_keys, clock, b"q" * 32, [b"r" * 32, PEPPER])
    assert (await rotated.authenticate(old.token)).id == old.id
    new = await make(rotated)
    assert (await rotated.authenticate(new.token)).id == new.id
    assert await refusal(keys, new.token) == "unknown_key"


async def test_keys_of_another_pepper_are_unknown(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    key = await make(keys)
    other = ApiKeys(archive.api_keys, clock, b"q" * 32)
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
    other = await make(ApiKeys(archive.api_keys, clock, b"q" * 32))
    for token in (
        other.token,
        _with_checksum(key.id, "A" * 43),
        _with_checksum("x" * 10, "A" * 43),
    ):
        assert await refusal(keys, token) == "unknown_key"


def _with_checksum(id: str, secret: str) -> str:
    return f"fn_{id}_{secret}{_checksum(id, secret)}"


async def test_a_revoked_key_is_refused_at_once_though_it_was_cached(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    key, other = await make(keys), await make(keys)
    await keys.authenticate(key.token)
    await keys.authenticate(other.token)
    await keys.revoke(key.id)
    assert await refusal(keys, key.token) == "revoked_key"
    await keys.authenticate(other.token)
    # And after a restart.
    restarted = ApiKeys(archive.api_keys, clock, PEPPER)
    assert await refusal(restarted, key.token) == "revoked_key"


async def test_revoking_again_keeps_the_first_moment(
    keys: ApiKeys, archive: MemoryArchive, clock: ManualClock
) -> None:
    key = await make(keys)
    await keys.revoke(key.id)
    first = clock.now()
    await clock.advance(60)
    await keys.revoke(key.id)
    assert archive.state.api_keys[key.id].revoked_at == first


async def test_revoking_an_unknown_key_is_refused(keys: ApiKeys) -> None:
    with pytest.raises(NotFound):
        await keys.revoke("nothing")


async def test_a_key_expires_though_it_was_cached(keys: ApiKeys, clock: ManualClock) -> None:
    key = await make(keys, expires_at=clock.now() + 10_000)
    await keys.authenticate(key.token)
    await clock.advance(9.999)
    await keys.authenticate(key.token)
    await clock.advance(0.001)
    assert await refusal(keys, key.token) == "expired_key"


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
    for scopes, wanted in (
        (("read",), "notify:academic"),
        (("notify:academic",), "notify:security"),
        (("notify:academic",), "read"),
        (("notify:*",), "read"),
        (("notify:*",), "admin"),
        ((), "read"),
    ):
        with pytest.raises(NotPermitted, match=re.escape(f"--scope {wanted}")) as failure:
            principal(*scopes).require(wanted)
        assert failure.value.code == "missing_scope"


async def test_a_key_sends_up_to_its_priority_or_that_of_the_kind() -> None:
    principal = Principal("id", frozenset(), Priority.medium)
    academic, security = AcademicNotifier.__notifier__, SecurityNotifier.__notifier__
    principal.require_priority(Priority.medium, academic)
    principal.require_priority(Priority.critical, security)
    with pytest.raises(NotPermitted) as failure:
        principal.require_priority(Priority.high, academic)
    assert failure.value.code == "priority_not_allowed"
