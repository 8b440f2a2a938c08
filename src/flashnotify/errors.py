"""All errors that FlashNotify modules raise to one another.

Three families: mistakes of a client (the API turns these into RFC 9457 problems), mistakes in a
deployment (these prevent the start, with a message that says what to change), and failures of a
transport (these decide whether a delivery is retried).
"""

import errno
import os
import ssl
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Self


class FlashNotifyError(Exception):
    """Base of all errors that FlashNotify raises on purpose.

    `code` identifies the error for programs. Codes are part of the API: messages
    may change, codes do not. As a response it has an HTTP `status`, and `problem` ends its type.
    """

    code = problem = "internal"
    status = 500

    def __init_subclass__(
        cls, code: str | None = None, status: int | None = None, problem: str | None = None
    ) -> None:
        if code is not None:
            cls.code = code
        if status is not None:
            cls.status = status
            cls.problem = problem or cls.code.replace("_", "-")

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        if code is not None:
            self.code = code


class InvalidValue(ValueError):
    """A value that fails validation, with a `code` for programs and a message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class MissingOffset(InvalidValue):
    """A time without an offset: it could be any of two dozen moments."""

    def __init__(self, naive: datetime, zone: tzinfo = UTC) -> None:
        shown = {naive.replace(tzinfo=zone, fold=fold).isoformat() for fold in (0, 1)}
        meant = " or ".join(sorted(shown, reverse=True))
        super().__init__("missing_offset", f"has no offset; write {meant} for {zone}")
        self.naive = naive


@dataclass(frozen=True, slots=True)
class FieldError:
    """One mistake in the client's document.

    `pointer` is a JSON Pointer (RFC 6901) into the document as the client wrote it, and `code`
    identifies the mistake for programs.
    """

    pointer: str
    code: str
    detail: str

    @classmethod
    def at(cls, path: Iterable[int | str], code: str, detail: str) -> Self:
        """Return the error at a path given by its steps: `("to", 3)`."""
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
        return cls("".join(f"/{step}" for step in steps), code, detail)

    @classmethod
    def of(cls, pointer: str, error: ValueError) -> Self:
        """Return the error at `pointer` for a value that failed validation."""
        return cls(pointer, getattr(error, "code", "invalid"), str(error))


class InvalidInput(FlashNotifyError, code="invalid_input", status=422):
    """The document failed validation. Carries the mistakes found; checks go in stages."""

    summary = "The request is invalid; `errors` lists the mistakes found."

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.pointer}: {error.detail}" for error in errors))
        self.errors = tuple(errors)


class BadLines(InvalidInput, code="bad_lines", status=422):
    """Lines of a file are bad: `bad` of all `lines`. Carries the first mistakes."""

    def __init__(self, errors: Sequence[FieldError], bad: int, lines: int) -> None:
        super().__init__(errors)
        self.summary = (
            f"{bad} of {lines} lines are bad: `errors` has the first mistakes. Nothing was "
            "imported. Correct them, or import the other lines with skip_bad=true."
        )


class AlreadyTaken(InvalidInput, code="already_taken", status=409):
    """What must be unique belongs to another already."""


class AllRejected(FlashNotifyError, code="all_rejected", status=422):
    """Every notification of a batch was rejected."""


class MalformedDocument(FlashNotifyError, code="malformed_document", status=400):
    """The body is not the JSON that the endpoint expects."""


class MalformedRequest(FlashNotifyError, code="malformed_request", status=400):
    """The request is not valid HTTP."""


class UrlTooLong(FlashNotifyError, code="url_too_long", status=414):
    """The URL of the request exceeds its size limit."""


class HeadTooLarge(FlashNotifyError, code="head_too_large", status=431):
    """The head of the request exceeds its limits."""


class DocumentTooLarge(FlashNotifyError, code="document_too_large", status=413):
    """The request body exceeds its size limit."""


class RequestTimeout(FlashNotifyError, code="request_timeout", status=408):
    """The head or the body of a request did not arrive in time."""


class UnsupportedMediaType(FlashNotifyError, code="unsupported_media_type", status=415):
    """The endpoint does not accept this media type."""


class UnsupportedEncoding(UnsupportedMediaType, code="unsupported_encoding"):
    """The body is compressed."""


class NotAuthenticated(FlashNotifyError, code="not_authenticated", status=401):
    """The request has no valid credentials."""


class OAuthError(FlashNotifyError):
    """The token endpoint refuses a request. RFC 6749, section 5.2, has the codes."""


class ClientRefused(OAuthError, NotAuthenticated, code="invalid_client"):
    """The client has no valid credentials."""


class GrantRefused(OAuthError, code="invalid_grant", status=400):
    """The password, refresh token or scope is not valid, or the kind of grant is unknown."""


class InvalidTokenRequest(OAuthError, InvalidInput, code="invalid_request", status=400):
    """A parameter is missing, unknown or malformed."""


class NotPermitted(FlashNotifyError, code="not_permitted", status=403):
    """The credentials are valid but do not allow this."""


class NotFound(FlashNotifyError, code="not_found", status=404):
    """Nothing has that id, or the client may not know about it."""


class Conflict(FlashNotifyError, code="conflict", status=409):
    """The request conflicts with the state of the resource."""


class IdempotencyMismatch(FlashNotifyError, code="idempotency_mismatch", status=422):
    """An `Idempotency-Key` was reused with a different request."""


class Unavailable(FlashNotifyError, code="unavailable", status=503):
    """The service cannot do this now. Retry after `retry_after` whole seconds."""

    def __init__(self, detail: str, *, retry_after: int = 1, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after


class SyncFailed(Unavailable):
    """An fsync failed: what the log on disk holds is unknown until the next start."""


class RateLimited(FlashNotifyError, code="rate_limited", status=429, problem="too-fast"):
    """The key has used up its rate limit. Retry after `retry_after` whole seconds."""

    def __init__(self, detail: str, *, retry_after: int, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after


class ResponseBrokenOff(FlashNotifyError):
    """A response ends before its end. The error that led to it has been logged."""

    def __init__(self) -> None:
        super().__init__("a response was broken off")


class DeclarationError(FlashNotifyError):
    """A class declaration is invalid. Names the class, the attribute and the remedy."""


class SettingsError(FlashNotifyError):
    """A setting is invalid. Names the variable and the reason, and gives an example."""


class ArchiveLocked(FlashNotifyError):
    """Another process holds the SQLite archive."""


class ArchiveOutdated(FlashNotifyError):
    """The archive's tables do not match this version."""


class BackupFailed(FlashNotifyError):
    """The backup failed. Says why and what to do."""


class WriteRefused(FlashNotifyError, code="conflict", status=409):
    """The database refused this write because of its data. Other writes are not affected."""


class TransportError(FlashNotifyError):
    """Base of every failure of a transport.

    `reason` is recorded in the attempt: the provider's own text, if there is one.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retryable(TransportError):
    """Refused for now. `after` is the wait in seconds that the provider asked for, if any."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Throttled(Retryable):
    """The transport takes no more messages for now, whoever they are to."""


class Unreachable(Retryable):
    """The transport itself failed (connection, timeout). Counts in its breaker."""


class NotTried(Retryable):
    """Nothing was sent because we lacked a resource. Does not count in the breaker."""


class InternalError(Retryable):
    """A bug on our side. Says nothing about the transport."""


class Rejected(TransportError):
    """Refused for good: a retry would get the same answer."""


class AddressRefused(Rejected):
    """Refused for good because of the address: any other message to it would be, too."""


class Gone(Rejected):
    """The address no longer exists. Nothing should be sent to it again."""


class Unsendable(Rejected):
    """Nothing was sent because the message cannot be sent. Says nothing about the provider."""


class Misconfigured(TransportError):
    """Refused because of our settings (credentials, sender), which a person has to fix.

    `remedy` names the setting and a value for it, where that is known.
    """

    def __init__(self, reason: str, *, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy


def is_out_of_files(error: BaseException) -> bool:
    """Return whether the process, or the machine, has no file descriptor left."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def why_not_connected(error: OSError) -> str:
    """Return why a connection was not made: the system's words, without the error's number."""
    if isinstance(error, ssl.SSLError) or not error.errno:
        return str(error)
    # asyncio's text for these names the address once more.
    return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)


def stack_of(error: BaseException) -> str:
    """Return the stack of an error for the log, without its message, which may quote data."""
    return "".join(traceback.format_tb(error.__traceback__))
