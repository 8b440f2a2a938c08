"""Every error that crosses from one file of FlashNotify to another.

Three families: what a caller asked for wrongly (the API turns these into RFC 9457 problems), what a
deployment got wrong (these stop the start with a message that says what to change), and what a
transport answered (these decide whether a delivery is tried again).
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class FlashNotifyError(Exception):
    """Base of all errors that FlashNotify raises on purpose."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong in the caller's document.

    `pointer` is a JSON Pointer (RFC 6901) into the document as the caller wrote it.
    """

    pointer: str
    detail: str

    @classmethod
    def at(cls, place: Iterable[int | str], detail: str) -> FieldError:
        """The error at a place given by its steps: `("to", 3)`."""
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in place)
        return cls("".join(f"/{step}" for step in steps), detail)


class InvalidInput(FlashNotifyError):
    """The document does not say what the service needs; carries every fault found at once."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.pointer}: {error.detail}" for error in errors))
        self.errors = tuple(errors)


class MalformedDocument(FlashNotifyError):
    """The body is not the JSON it should be."""


class DocumentTooLarge(FlashNotifyError):
    """The request body is over its limit."""


class RequestTimeout(FlashNotifyError):
    """The body of a request does not come."""


class UnsupportedMediaType(FlashNotifyError):
    """The body is of a type that this endpoint does not read."""


class NotAuthenticated(FlashNotifyError):
    """No key, or not one that works."""


class NotPermitted(FlashNotifyError):
    """The key works, and does not allow this."""


class NotFound(FlashNotifyError):
    """Nothing has that id, or the caller may not know."""


class Conflict(FlashNotifyError):
    """What is asked does not go with the state that the thing is in."""


class TooFast(FlashNotifyError):
    """The key has used up its rate. `retry_after` says for how many whole seconds."""

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class IdempotencyMismatch(FlashNotifyError):
    """An `Idempotency-Key` came again with another body."""


class Unavailable(FlashNotifyError):
    """The service cannot take this now. `retry_after` says in how many whole seconds it may."""

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class DeclarationError(FlashNotifyError):
    """A class declaration that cannot work: says which class, which attribute, and the remedy."""


class SettingsError(FlashNotifyError):
    """A setting that cannot work: says which variable, why, and gives an example."""


class ArchiveLocked(FlashNotifyError):
    """Another process holds this SQLite archive."""


class ArchiveOutdated(FlashNotifyError):
    """The archive's tables are not those of this version."""


class BackupFailed(FlashNotifyError):
    """There is no backup: says why, and what to do."""


class DamagedRecord(FlashNotifyError):
    """A row of the archive holds JSON that cannot be read."""


class WriteRefused(FlashNotifyError):
    """The database refused this one write because of its data; its neighbours were not touched."""


class TransportError(FlashNotifyError):
    """Base of what a transport can answer other than success.

    `reason` is the provider's own words where there are any: it is kept in the attempt.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retryable(TransportError):
    """Refused for now. `after` is the wait in seconds that the provider asked for, if it did."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Unreachable(Retryable):
    """The transport itself did not work (connection, time-out): this also counts in its breaker."""


class NotTried(Retryable):
    """It never came to a try, for want of something on our side: says nothing of the transport."""


class Rejected(TransportError):
    """Refused for good: trying again would get the same answer."""


class Gone(Rejected):
    """The address itself is no longer there: nothing should be sent to it again."""


class Unsendable(Rejected):
    """Nothing was sent, since we know ourselves that it cannot be: says nothing of the provider."""


class Misconfigured(TransportError):
    """Refused because of our own settings (credentials, sender): a person has to mend them."""


def stack_of(error: BaseException) -> str:
    """Where an error came from, for the log: without its message, which may quote data."""
    return "".join(traceback.format_tb(error.__traceback__))
