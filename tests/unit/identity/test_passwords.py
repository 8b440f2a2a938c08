"""Passwords: which are refused, and what is stored of the others."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from flashnotify.errors import InvalidValue, Unavailable
from flashnotify.identity.passwords import Passwords
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from tests.support.eventually import eventually
from tests.support.passwords import GOOD, CountingHasher, cheap_passwords


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    with cheap_passwords() as passwords:
        yield passwords


async def test_a_password_is_stored_as_an_argon2id_hash() -> None:
    threads = ThreadPoolQueue(2)
    stored = await Passwords(threads).hash(GOOD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await Passwords(threads).verify(GOOD, stored) == (True, None)
    threads.close()


async def test_only_the_password_itself_is_right(passwords: Passwords) -> None:
    stored = await passwords.hash(GOOD)
    assert (await passwords.verify(GOOD, stored)).right
    for wrong in (GOOD.upper(), GOOD + " ", "", "\ud800", GOOD * 100):
        assert not (await passwords.verify(wrong, stored)).right
    # Not even that of the decoy.
    assert not (await passwords.verify("", None)).right


async def test_keyboards_that_compose_letters_differently_make_no_difference(
    passwords: Passwords,
) -> None:
    stored = await passwords.hash("école des fées 47")
    assert (await passwords.verify("e\u0301cole des fe\u0301es 47", stored)).right


async def test_a_long_password_may_be_typed_in_parts(passwords: Passwords) -> None:
    longest = GOOD + "é" * (1000 - len(GOOD))
    stored = await passwords.hash(longest)
    assert (await passwords.verify(longest.replace("é", "e\u0301"), stored)).right
    assert not (await passwords.verify(longest + "é", stored)).right


async def test_without_a_hash_the_work_is_the_same() -> None:
    hasher = CountingHasher()
    with cheap_passwords(hasher) as passwords:
        stored = await passwords.hash(GOOD)
        for known in (stored, None):
            before = hasher.verified
            await passwords.verify("wrong", known)
            assert hasher.verified == before + 1


async def test_a_hash_is_renewed_once_parameters_rise() -> None:
    with cheap_passwords() as old:
        stored = await old.hash(GOOD)
    with cheap_passwords(CountingHasher(time_cost=2)) as passwords:
        assert (await passwords.verify("wrong", stored)).better_hash is None
        right, better = await passwords.verify(GOOD, stored)
        assert right
        assert better is not None
        assert "t=2" in better
        assert await passwords.verify(GOOD, better) == (True, None)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short one 4", "password_too_short"),
        ("x" * 1001, "password_too_long"),
        ("password1234", "weak_password"),
        ("azertyuiop123", "weak_password"),
        ("aaaaaaaaaaaaaaaaaa", "weak_password"),
        ("P4ssw0rd2026!", "weak_password"),
        ("lovelace1815", "weak_password"),
        ("ada.lovelace@univ.example", "weak_password"),
        # Of one character each, once composed.
        ("e\u0301" * 11, "password_too_short"),
    ],
)
async def test_a_password_that_is_easy_to_guess_is_refused(
    passwords: Passwords, password: str, code: str
) -> None:
    personal = ("Ada Lovelace", "ada.lovelace@univ.example", None)
    with pytest.raises(InvalidValue) as refused:
        await passwords.check(password, personal)
    assert refused.value.code == code
    assert password not in str(refused.value)


async def test_the_refusal_has_advice(passwords: Passwords) -> None:
    with pytest.raises(InvalidValue, match=r"is easy to guess\. .* Uncommon words are better"):
        await passwords.check("password1234")


@pytest.mark.parametrize("password", [GOOD, "correct horse battery staple", GOOD + "v" * 979])
async def test_a_good_password_is_taken(passwords: Passwords, password: str) -> None:
    await passwords.check(password, ["Ada Lovelace"])


async def test_what_waits_for_a_thread_is_bounded() -> None:
    release, threads = threading.Event(), ThreadPoolQueue(1, bound=1)
    passwords = Passwords(threads, CountingHasher())
    blocked = asyncio.create_task(threads.run(release.wait, within=60))
    await eventually(lambda: threads.busy)
    waiting = asyncio.create_task(passwords.hash(GOOD))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await passwords.hash(GOOD)
    assert refused.value.retry_after > 0
    release.set()
    await asyncio.gather(blocked, waiting)
    threads.close()


async def test_a_password_is_bounded_before_it_is_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Composing many accents of one letter would hold everything else up."""
    lengths: list[int] = []

    def normal(password: str) -> str:
        lengths.append(len(password))
        return password

    monkeypatch.setattr("flashnotify.identity.passwords._normal", normal)
    accents = "a" + "\u0316\u0301" * 100_000
    with cheap_passwords() as made:
        assert not (await made.verify(accents, None)).right
        with pytest.raises(InvalidValue, match="at most"):
            await made.check(accents)
    assert max(lengths) <= 2000
