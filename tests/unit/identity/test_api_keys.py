"""API keys: what they look like, who gets in, and what is kept."""

import re
from collections.abc import Callable

import pytest

from flashnotify.domain import Priority
from flashnotify.errors import NotAuthenticated, NotFound, NotPermitted, Unavailable
from flashnotify.identity.api_keys import ApiKeys, NewKey, _checksum
from flashnotify.identity.principal import Caller
from flashnotify.notifiers import AcademicNotifier, SecurityNotifier
from tests.support.archives import Archive
from tests.support.manual_clock import ManualClock

PEPPER = b"p" * 32


@pytest.fixture
def keys(archive: Archive, clock: ManualClock) -> ApiKeys:
    return ApiKeys(archive.reader, archive.writer, clock, PEPPER)


async def make(keys: ApiKeys, expires_at: int | None = None) -> NewKey:
    """A key that may send academic notifications up to high."""
    return await keys.create(
        "registrar", ["notify:academic"], max_priority=Priority.high, expires_at=expires_at
    )


async def refusal(keys: ApiKeys, token: str) -> str:
    """Why a token does not get in."""
    with pytest.raises(NotAuthenticated) as failure:
        await keys.authenticate(token)
    return str(failure.value)


async def test_a_key_says_whose_it_is(keys: ApiKeys) -> None:
    key = await make(keys)
    caller = await keys.authenticate(key.token)
    assert caller == Caller(key.id, frozenset({"notify:academic"}), Priority.high)


async def test_a_key_has_its_form(keys: ApiKeys) -> None:
    key = await make(keys)
    assert re.fullmatch(r"fn_[0-9a-z]{10}_[0-9A-Za-z]{43}[0-9A-Za-z]{6}", key.token)
    assert key.token.startswith(f"fn_{key.id}_")
    assert (await make(keys)).token != key.token


async def test_the_secret_is_not_in_the_archive(keys: ApiKeys, archive: Archive) -> None:
    key = await make(keys)
    await keys.authenticate(key.token)
    await archive.close()
    secret = key.token.rpartition("_")[2]
    files = [file for file in archive.file.parent.iterdir() if file.is_file()]
    stored = b"".join(file.read_bytes() for file in files)
    assert key.id.encode() in stored
    assert secret[:12].encode() not in stored
    assert secret[12:43].encode() not in stored
    ((hmac,),) = archive.rows("SELECT secret_hmac FROM api_keys")
    assert len(hmac) == 32


async def test_another_pepper_knows_no_key(
    keys: ApiKeys, archive: Archive, clock: ManualClock
) -> None:
    key = await make(keys)
    other = ApiKeys(archive.reader, archive.writer, clock, b"q" * 32)
    assert "not known here" in await refusal(other, key.token)


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
async def test_what_is_not_copied_whole_is_told_without_a_look_up(
    keys: ApiKeys, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await make(keys)
    monkeypatch.setattr(keys, "_reader", None)
    assert "This is not an API key" in await refusal(keys, change(key.token))


async def test_a_forged_secret_with_a_good_checksum_is_refused(
    keys: ApiKeys, archive: Archive, clock: ManualClock
) -> None:
    key = await make(keys)
    # Another service's key, moved to this id: its form is right.
    other = await make(ApiKeys(archive.reader, archive.writer, clock, b"q" * 32))
    for token in (
        other.token,
        _with_checksum(key.id, "A" * 43),
        _with_checksum("x" * 10, "A" * 43),
    ):
        assert "not known here" in await refusal(keys, token)


def _with_checksum(id: str, secret: str) -> str:
    return f"fn_{id}_{secret}{_checksum(id, secret)}"


async def test_a_revoked_key_is_refused_at_once_though_it_was_cached(
    keys: ApiKeys, archive: Archive, clock: ManualClock
) -> None:
    key, other = await make(keys), await make(keys)
    await keys.authenticate(key.token)
    await keys.authenticate(other.token)
    await keys.revoke(key.id)
    assert "was revoked" in await refusal(keys, key.token)
    await keys.authenticate(other.token)
    # And after a restart.
    restarted = ApiKeys(archive.reader, archive.writer, clock, PEPPER)
    assert "was revoked" in await refusal(restarted, key.token)


async def test_revoking_again_keeps_the_first_moment(
    keys: ApiKeys, archive: Archive, clock: ManualClock
) -> None:
    key = await make(keys)
    await keys.revoke(key.id)
    first = archive.one("SELECT revoked_at FROM api_keys")
    await clock.advance(60)
    await keys.revoke(key.id)
    assert archive.one("SELECT revoked_at FROM api_keys") == first


async def test_revoking_what_is_not_there_is_told(keys: ApiKeys) -> None:
    with pytest.raises(NotFound, match="There is no API key 'nothing'"):
        await keys.revoke("nothing")


async def test_a_key_expires_though_it_was_cached(keys: ApiKeys, clock: ManualClock) -> None:
    key = await make(keys, expires_at=clock.now() + 10_000)
    await keys.authenticate(key.token)
    await clock.advance(9.999)
    await keys.authenticate(key.token)
    await clock.advance(0.001)
    assert "has expired" in await refusal(keys, key.token)


async def test_last_use_is_written_at_most_once_a_minute(
    keys: ApiKeys, archive: Archive, clock: ManualClock
) -> None:
    key = await make(keys)
    assert archive.one("SELECT last_used_at FROM api_keys") is None
    first = clock.now()
    for _ in range(50):
        await keys.authenticate(key.token)
        await clock.advance(1)
    await archive.writer.write()
    assert archive.one("SELECT last_used_at FROM api_keys") == first
    await clock.advance(10)
    await keys.authenticate(key.token)
    await archive.writer.write()
    assert archive.one("SELECT last_used_at FROM api_keys") == first + 60_000


async def test_a_key_is_looked_up_once(keys: ApiKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await make(keys)
    await keys.authenticate(key.token)
    monkeypatch.setattr(keys, "_reader", None)
    for _ in range(3):
        await keys.authenticate(key.token)


async def test_keys_work_while_nothing_can_be_written(keys: ApiKeys, archive: Archive) -> None:
    key = await make(keys)
    archive.writer.close()
    assert archive.writing is not None
    await archive.writing
    assert (await keys.authenticate(key.token)).id == key.id
    with pytest.raises(Unavailable):
        await make(keys)


async def test_a_caller_may_do_what_its_scopes_say() -> None:
    def caller(*scopes: str) -> Caller:
        return Caller("id", frozenset(scopes), Priority.high)

    caller("read").require("read")
    caller("admin").require("notify:academic")
    caller("notify:*").require("notify:academic")
    caller("notify:academic").require("notify:academic")
    for scopes, wanted in (
        (("read",), "notify:academic"),
        (("notify:academic",), "notify:security"),
        (("notify:academic",), "read"),
        (("notify:*",), "read"),
        (("notify:*",), "admin"),
        ((), "read"),
    ):
        with pytest.raises(NotPermitted, match=re.escape(f"--scope {wanted}")):
            caller(*scopes).require(wanted)


async def test_a_key_sends_up_to_its_priority_or_that_of_the_kind() -> None:
    caller = Caller("id", frozenset(), Priority.medium)
    academic, security = AcademicNotifier.__notifier__, SecurityNotifier.__notifier__
    caller.require_priority(Priority.medium, academic)
    caller.require_priority(Priority.critical, security)
    with pytest.raises(NotPermitted, match="academic notifications up to medium, not high"):
        caller.require_priority(Priority.high, academic)
