"""Passwords with hashes that cost next to nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from pwdlib.hashers.argon2 import Argon2Hasher

from flashnotify.identity.passwords import Passwords
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue

# One that zxcvbn likes.
GOOD = "violet kettle drum 47"


class CountingHasher(Argon2Hasher):
    """Hashes at no cost, and counts what was verified."""

    def __init__(self, time_cost: int = 1) -> None:
        super().__init__(time_cost=time_cost, memory_cost=8, parallelism=1)
        self.verified = 0

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:  # noqa: A002  # as its base has it
        self.verified += 1
        return super().verify(password, hash)


@contextmanager
def cheap_passwords(hasher: Argon2Hasher | None = None) -> Iterator[Passwords]:
    """Yield passwords that use two threads, as the service does."""
    threads = ThreadPoolQueue(2)
    try:
        yield Passwords(threads, hasher or CountingHasher())
    finally:
        threads.close()
