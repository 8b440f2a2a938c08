"""Passwords: which ones are good enough, their hashes (Argon2id), and their verification.

All of it takes long and needs memory, so a few threads do it, and callers wait in a bounded queue.
"""

import asyncio
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from flashnotify.domain import Priority
from flashnotify.errors import InvalidValue, Unavailable
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue

Returned = TypeVar("Returned")

MIN_LENGTH, MAX_LENGTH = 12, 1000
# Characters as they are typed: a letter and its accent may be two, which are composed.
_TYPED = 2 * MAX_LENGTH
# zxcvbn's scores go from 0 to 4; from 3 on, a password withstands guessing against a stolen hash.
_GOOD = 3
# Its time grows with the cube of the length, to a second for the worst 32 characters. A password
# is at least as strong as its beginning.
_SCORED = 32
# Seconds for a call, with the time that it waits: longer than all that may be before it take.
_WITHIN = 30.0
# The least that OWASP recommends, which needs little memory: 19 MiB for each thread.
_PASSES, _MEMORY, _LANES = 2, 19_456, 1


class Verified(NamedTuple):
    """Whether a password is right, and a better hash of it if parameters have risen since."""

    right: bool
    better_hash: str | None = None


class Passwords:
    """Rates, hashes and verifies passwords in `threads`.

    Everything raises `Unavailable` when too many calls wait. Only what is urgent may use all
    threads: lanes below it are for strangers, and for what must not be done twice at once.
    """

    def __init__(self, threads: ThreadPoolQueue, hasher: Argon2Hasher | None = None) -> None:
        self._threads = threads
        self._hashes = PasswordHash((hasher or Argon2Hasher(_PASSES, _MEMORY, _LANES),))
        self._decoy = ""
        self._making_decoy = asyncio.Lock()

    async def hash(self, password: str) -> str:
        """Return the hash to store of a password."""
        return await self._run(partial(self._hashes.hash, _encoded(password)))

    async def verify(
        self, password: str, stored: str | None, lane: Priority = Priority.critical
    ) -> Verified:
        """Return whether a password has the hash `stored`.

        Without one the work is the same, so that its time tells nothing.
        """
        async with self._making_decoy:
            self._decoy = self._decoy or await self.hash("")
        # Bounded first: composing takes time that grows with the square of the length.
        text = _normal(password[:_TYPED])
        is_short = len(password) <= _TYPED and len(text) <= MAX_LENGTH
        known = stored is not None and is_short
        wanted = stored if stored is not None and known else self._decoy
        right, better = await self._run(
            partial(self._hashes.verify_and_update, _encoded(text[:MAX_LENGTH]), wanted), lane
        )
        return Verified(right and known, better if known else None)

    async def check(self, password: str, personal: Iterable[str | None] = ()) -> None:
        """Raise `InvalidValue` for a password that is too short, too long or easy to guess.

        It must not be made of what is known of the person, `personal` either.
        """
        rate = partial(weakness_of, password, [*filter(None, personal)])
        # Low, so that there is one at a time: zxcvbn keeps what is personal in a global.
        if (weakness := await self._run(rate, Priority.low)) is not None:
            raise weakness

    async def _run(
        self, call: Callable[[], Returned], lane: Priority = Priority.critical
    ) -> Returned:
        try:
            return await self._threads.run(call, within=_WITHIN, lane=lane)
        except TimeoutError:
            raise Unavailable("Checking the password took too long.", retry_after=5) from None


def _normal(password: str) -> str:
    """Return a password as it is the same from every keyboard (NIST SP 800-63B, section 5.1.1)."""
    return unicodedata.normalize("NFKC", password)


def _encoded(password: str) -> bytes:
    return _normal(password).encode("utf-8", "surrogatepass")


def weakness_of(password: str, personal: Iterable[str]) -> InvalidValue | None:
    """Return why a password is not good enough, with advice; None if it is. Slow."""
    is_long, password = len(password) > _TYPED, _normal(password[:_TYPED])
    if len(password) < MIN_LENGTH:
        return InvalidValue("password_too_short", f"must have at least {MIN_LENGTH} characters")
    if is_long or len(password) > MAX_LENGTH:
        return InvalidValue("password_too_long", f"must have at most {MAX_LENGTH} characters")
    # 14 MB that only the choice of a password needs.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    words = [word for text in personal for word in (text, *re.findall(r"\w+", text))]
    found = zxcvbn(password[:_SCORED], user_inputs=words)
    if found["score"] >= _GOOD:
        return None
    advice = [found["feedback"]["warning"], *found["feedback"]["suggestions"]]
    return InvalidValue("weak_password", f"is easy to guess. {' '.join(filter(None, advice))}")
