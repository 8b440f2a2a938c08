"""Sign-in with a password: who is let in, what is audited, and what guessers learn."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from flashnotify.archive.identity_records import AuditEntry, User
from flashnotify.domain import Role
from flashnotify.errors import NotAuthenticated, RateLimited, Unavailable
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.passwords import Passwords
from flashnotify.identity.sign_in import SignIn
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue
from tests.support.archives import Archive
from tests.support.passwords import GOOD, CountingHasher, cheap_passwords

HERE = "192.0.2.1"


class SlowHasher(CountingHasher):
    """Verifies the password `slow` only once `end` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.end = threading.Event()

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:  # noqa: A002  # as its base
        if password == b"slow":
            self.end.wait()
        return super().verify(password, hash)


@dataclass
class SigningIn:
    """Sign-in over an archive with users."""

    archive: Archive
    passwords: Passwords
    hasher: CountingHasher

    def __post_init__(self) -> None:
        self.users = self.archive.ports.users
        self.audit = Audit(self.archive.ports.audit, self.archive.clock)
        self.sign_in = SignIn(self.users, self.passwords, self.audit, self.archive.clock)

    async def user(self, email: str, **more: Any) -> User:
        """Store a user with the good password, unless `more` has another hash."""
        more = {"password_hash": await self.passwords.hash(GOOD), "email": email} | more
        user = User(self.archive.ids(), "Ada", Role.sender, self.archive.clock.now(), **more)

        async def add(entry: AuditEntry) -> None:
            await self.users.add(user, entry)

        await self.audit.record(Actor("local"), "user.created", f"user:{user.id}", write=add)
        return user

    async def attempt(self, login: str, password: str = GOOD, address: str = HERE) -> str:
        """Return `in`, the text of the refusal, or the seconds to wait."""
        try:
            await self.sign_in.with_password(login, password, address)
        except NotAuthenticated as refused:
            return str(refused)
        except RateLimited as throttled:
            return str(throttled.retry_after)
        except Unavailable:
            return "full"
        return "in"

    def refusals(self) -> list[Any]:
        """Return actor, address, target and details of the refusals in the audit log."""
        return self.archive.rows(
            "SELECT actor, address, target, details FROM audit WHERE action = 'session.refused'"
        )


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
def signing_in(archive: Archive, hasher: CountingHasher) -> Iterator[SigningIn]:
    with cheap_passwords(hasher) as passwords:
        yield SigningIn(archive, passwords, hasher)


@pytest.mark.parametrize("login", ["ada@univ.example", "ADA@UNIV.example", "etu1"])
async def test_the_right_password_signs_in(signing_in: SigningIn, login: str) -> None:
    ada = await signing_in.user("ada@univ.example", external_id="etu1")
    assert await signing_in.sign_in.with_password(login, GOOD, HERE) == ada
    stored = await signing_in.users.find(ada.id)
    assert stored is not None
    assert stored.last_seen_at == signing_in.archive.clock.now()


async def test_all_refusals_take_the_same_work_and_read_the_same(signing_in: SigningIn) -> None:
    await signing_in.user("ada@univ.example")
    await signing_in.user("gone@univ.example", active=False)
    await signing_in.user("oidc@univ.example", password_hash=None)
    attempts = {
        "ada@univ.example": "wrong",
        "gone@univ.example": GOOD,
        "oidc@univ.example": GOOD,
        "nobody@univ.example": GOOD,
        "\ud800\x00": GOOD,
    }
    texts = set()
    for login, password in attempts.items():
        before = signing_in.hasher.verified
        texts.add(await signing_in.attempt(login, password))
        assert signing_in.hasher.verified == before + 1, login
    assert texts == {"The login or the password is wrong."}


async def test_a_refusal_is_audited_without_the_login(signing_in: SigningIn) -> None:
    ada = await signing_in.user("ada@univ.example")
    await signing_in.user("gone@univ.example", active=False)
    await signing_in.attempt("ada@univ.example", "wrong-password-here")
    await signing_in.attempt("gone@univ.example")
    # A password typed into the wrong field.
    await signing_in.attempt("hunter2hunter2")
    found = signing_in.refusals()
    assert [row[:2] for row in found] == [("anonymous", HERE)] * 3
    assert [row[2] for row in found][::2] == [f"user:{ada.id}", None]
    reasons = [json.loads(row[3]) for row in found]
    assert reasons == [
        {"reason": "wrong_password"},
        {"reason": "inactive"},
        {"reason": "unknown_login"},
    ]


@pytest.mark.parametrize("login", ["ada@univ.example", "nobody@univ.example"])
async def test_guesses_are_delayed_before_any_verification(
    signing_in: SigningIn, login: str
) -> None:
    await signing_in.user("ada@univ.example")
    for _ in range(5):
        await signing_in.attempt(login, "wrong")
    before = signing_in.hasher.verified
    assert await signing_in.attempt(login) == "1"
    assert signing_in.hasher.verified == before
    await signing_in.archive.clock.advance(1)
    assert not (await signing_in.attempt(login, "wrong")).isdigit()
    assert await signing_in.attempt(login) == "2"


async def test_many_guesses_at_once_are_no_more_than_one_after_another(
    signing_in: SigningIn,
) -> None:
    await signing_in.user("ada@univ.example")
    await asyncio.gather(*(signing_in.attempt("ada@univ.example", "wrong") for _ in range(40)))
    assert len(signing_in.refusals()) == 5


async def test_a_delay_is_over_by_itself_and_success_ends_it(signing_in: SigningIn) -> None:
    await signing_in.user("ada@univ.example", external_id="etu1")
    for _ in range(5):
        # Both names are of one account.
        await signing_in.attempt("etu1", "wrong")
    await signing_in.archive.clock.advance(1)
    assert await signing_in.attempt("ada@univ.example") == "in"
    assert not (await signing_in.attempt("etu1", "wrong")).isdigit()


async def test_nobody_is_kept_out_of_where_they_signed_in(signing_in: SigningIn) -> None:
    await signing_in.user("ada@univ.example")
    assert await signing_in.attempt("ada@univ.example") == "in"
    for number in range(10):
        await signing_in.attempt("ada@univ.example", "wrong", f"198.51.100.{number}")
    assert await signing_in.attempt("ada@univ.example", GOOD, "203.0.113.1") == "1"
    assert await signing_in.attempt("ada@univ.example") == "in"


async def test_a_network_that_tries_many_logins_is_delayed(signing_in: SigningIn) -> None:
    await signing_in.user("ada@univ.example")
    # The addresses of one IPv6 /64.
    for number in range(50):
        await signing_in.attempt(f"user{number}", "wrong", f"2001:db8::{number:x}")
    assert await signing_in.attempt("ada@univ.example", GOOD, "2001:db8::ffff") == "1"
    assert await signing_in.attempt("ada@univ.example", GOOD, "2001:db8:0:1::1") == "in"


async def test_nobody_is_kept_out_by_others_who_fail_where_they_sign_in(
    signing_in: SigningIn,
) -> None:
    await signing_in.user("ada@univ.example")
    assert await signing_in.attempt("ada@univ.example") == "in"
    answers = [await signing_in.attempt(f"x{number}@univ.example") for number in range(60)]
    assert answers[-1] == "1"
    assert await signing_in.attempt("ada@univ.example") == "in"


async def test_a_network_of_many_people_is_not_delayed_by_those_who_sign_in(
    signing_in: SigningIn,
) -> None:
    await signing_in.user("ada@univ.example")
    assert {await signing_in.attempt("ada@univ.example") for _ in range(60)} == {"in"}


async def test_a_password_that_changes_while_it_is_verified_is_refused(
    signing_in: SigningIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    await signing_in.user("ada@univ.example")
    verify = signing_in.passwords.verify

    async def verify_slowly(*arguments: Any) -> Any:
        result = await verify(*arguments)
        signing_in.archive.change("UPDATE users SET password_hash = 'x'")
        return result

    monkeypatch.setattr(signing_in.passwords, "verify", verify_slowly)
    assert await signing_in.attempt("ada@univ.example") != "in"


async def test_a_hash_is_renewed_at_sign_in(signing_in: SigningIn, archive: Archive) -> None:
    ada = await signing_in.user("ada@univ.example")
    with cheap_passwords(CountingHasher(time_cost=2)) as better:
        again = replace(signing_in, passwords=better)
        assert await again.attempt("ada@univ.example") == "in"
        stored = await again.users.find(ada.id)
        assert stored is not None
        assert "t=2" in str(stored.password_hash)
        assert await again.attempt("ada@univ.example") == "in"
    # Not one that replaced the hash meanwhile.
    await signing_in.users.rehash(ada.id, "$argon2id$other", "$argon2id$late")
    assert await signing_in.users.find(ada.id) == stored


async def test_a_full_queue_is_no_failure(archive: Archive) -> None:
    threads = ThreadPoolQueue(1)
    threads.close()
    full = SigningIn(archive, Passwords(threads, CountingHasher()), CountingHasher())
    for _ in range(60):
        with pytest.raises(Unavailable) as refused:
            await full.sign_in.with_password("ada@univ.example", GOOD, HERE)
        assert refused.value.retry_after > 0
    assert full.refusals() == []


async def test_a_flood_from_many_networks_keeps_nobody_out_who_is_known(archive: Archive) -> None:
    hasher = SlowHasher()
    with cheap_passwords(hasher) as passwords:
        signing_in = SigningIn(archive, passwords, hasher)
        await signing_in.user("ada@univ.example")
        ada = await signing_in.sign_in.with_password("ada@univ.example", GOOD, HERE)
        flood = [
            asyncio.create_task(signing_in.attempt(f"x{n}", "slow", f"198.51.{n // 250}.{n % 250}"))
            for n in range(1300)
        ]
        await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
        before = hasher.verified
        assert await signing_in.attempt("ada@univ.example") == "in"
        assert (await signing_in.sign_in.confirm(ada, GOOD, "203.0.113.1")).id == ada.id
        # Nobody else's was verified for it, and the newest of the others were refused.
        assert hasher.verified == before + 2
        hasher.end.set()
        refused = [await task for task in flood]
    assert refused.count("full") == 1300 - 100
    assert "full" not in refused[:100]


async def test_a_stranger_is_let_in_beside_a_flood_from_few_networks(archive: Archive) -> None:
    hasher = SlowHasher()
    with cheap_passwords(hasher) as passwords:
        signing_in = SigningIn(archive, passwords, hasher)
        await signing_in.user("ada@univ.example")
        flood = [
            asyncio.create_task(signing_in.attempt(f"x{n}", "slow", f"198.51.100.{n % 5}"))
            for n in range(500)
        ]
        await asyncio.sleep(0)
        signing = asyncio.create_task(signing_in.attempt("ada@univ.example"))
        await asyncio.sleep(0)
        hasher.end.set()
        assert await signing == "in"
        assert "full" in [await task for task in flood]


@pytest.mark.parametrize(
    ("login", "variant"), [("jones@univ.example", "jone\u017f@univ.example"), ("etu1", "ETU1")]
)
async def test_variants_of_a_login_do_not_tell_that_it_exists(
    signing_in: SigningIn, login: str, variant: str
) -> None:
    """Those that find nobody are no failures of the user, so those of an unknown one are not."""

    async def answers() -> list[str]:
        tried = [login, variant] * 3
        return [await signing_in.attempt(each, "wrong") for each in tried]

    unknown = await answers()
    signing_in.__post_init__()
    name = "email" if "@" in login else "external_id"
    await signing_in.user(**{"email": "ada@univ.example", name: login})
    assert await answers() == unknown
