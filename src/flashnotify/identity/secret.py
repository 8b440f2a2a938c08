"""The secret key of a service, and what is derived from it."""

import hmac
from collections.abc import Callable, Sequence
from functools import cached_property


class Secret:
    """The secret key, read with `read` when it is first used: that may create it.

    What was made with one of the `previous` keys stays valid.
    """

    def __init__(self, read: Callable[[], bytes], previous: Sequence[bytes] = ()) -> None:
        self._read = read
        self.previous = previous

    @cached_property
    def key(self) -> bytes:
        """The key."""
        return self._read()

    @cached_property
    def fingerprint(self) -> str:
        """A text by which another key shows. It tells nothing of this one."""
        return _fingerprint(self.key)

    def was(self, fingerprint: str) -> bool:
        """Return whether a fingerprint is that of a previous key."""
        return fingerprint in map(_fingerprint, self.previous)

    def token(self, subject: str) -> str:
        """Return an unguessable text for `subject`, the same each time."""
        return _token(self.key, subject)

    def proves(self, subject: str, token: str) -> bool:
        """Return whether `token` was made for `subject`, with this key or a previous one."""
        given = token.encode()
        keys = (self.key, *self.previous)
        return any(hmac.compare_digest(_token(key, subject).encode(), given) for key in keys)


def _token(key: bytes, subject: str) -> str:
    return hmac.new(key, f"callback {subject}".encode(), "sha256").hexdigest()[:32]


def _fingerprint(key: bytes) -> str:
    return hmac.new(key, b"flashnotify fingerprint", "sha256").hexdigest()[:16]
