"""The secret key of a service, and what is derived from it."""

import hmac
from collections.abc import Callable
from functools import cached_property


class Secret:
    """The secret key, read with `read` when it is first used: that may create it."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read

    @cached_property
    def key(self) -> bytes:
        """The key."""
        return self._read()

    @cached_property
    def fingerprint(self) -> str:
        """A text by which another key shows. It tells nothing of this one."""
        return hmac.new(self.key, b"flashnotify fingerprint", "sha256").hexdigest()[:16]

    def token(self, subject: str) -> str:
        """Return an unguessable text for `subject`, the same each time."""
        return hmac.new(self.key, f"callback {subject}".encode(), "sha256").hexdigest()[:32]
