"""Map the errors of an SMTP session to transport errors: is it about us, or the recipient?

Many servers refuse our connection, name or sender only at RCPT (`smtpd_delay_reject` of Postfix).
Such a reply must never end the delivery to one recipient, since everybody gets it.
"""

import re
import ssl
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

import aiosmtplib

from flashnotify import errors
from flashnotify.channels.email.smtp.remedies import is_plain_text, remedy
from flashnotify.channels.email.smtp.server import Server
from flashnotify.channels.email.smtp.stages import Stage
from flashnotify.channels.transport import excerpt

_GREETING = (Stage.connect, Stage.greeting)
_OPENING = (*_GREETING, Stage.hello, Stage.starttls, Stage.login)
# About our login or the encryption (RFC 4954, section 6), or our name in EHLO (504).
_OUR_SETTINGS = (504, 530, 534, 535, 538)
# RFC 5321, section 4.2.3: no mailbox, not local, or its name is not allowed.
_NO_SUCH_MAILBOX = (550, 551, 553)
# Unknown commands, or commands out of order.
_OUR_COMMANDS = (500, 502, 503)
# Enhanced status codes (RFC 3463, RFC 7372) about the recipient …
_RECIPIENT = re.compile(r"[45]\.(?:1\.[0-6]|2\.\d+|7\.(?:2|17|18|19))\b")
_ENHANCED = re.compile(r"[45]\.\d{1,3}\.\d{1,3}\b")
# … and about the policy for our connection, sender, rate or relaying. x.7.1 may be either.
_POLICY = re.compile(r"[45]\.(?:7\.(?!1\b)|1\.[78]\b|3\.[25]\b|4\.5\b|5\.1\b)")
_POLICY_WORDS = re.compile(
    r"\b(?:[eh]hlo|helo|relay(?! recipient)\w*|(?:client )?host rejected|client host"
    r"|sender (?:address|domain|verif\w*|rejected|denied)|rate.?limit\w*|throttl\w+"
    r"|authenticat\w+|(?:dns|r)bl|reverse dns|your (?:ip|host|network|server))\b",
    re.IGNORECASE,
)


class TooManyConnections(errors.Unreachable):
    """The server ends a session before it begins (421): it may have enough of ours."""


@dataclass(frozen=True, slots=True)
class explained(AbstractContextManager[None]):  # noqa: N801  # used as a function is
    """Raise the `TransportError` for a failure at `stage` of a session with `server`.

    A generator would cost four times as much at each stage of a message.
    """

    stage: Stage
    server: Server

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        stack: TracebackType | None,
    ) -> None:
        """Raise the error for another."""
        if isinstance(error, aiosmtplib.SMTPException | OSError):
            raise _explain(error, self.stage, self.server) from error


def _explain(
    error: aiosmtplib.SMTPException | OSError, stage: Stage, server: Server
) -> errors.TransportError:
    if isinstance(error, aiosmtplib.SMTPResponseException) and 400 <= error.code < 600:
        return _refusal(error, stage, server)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        reason = f"the server does not support the settings: {error}"
    elif isinstance(error, ssl.SSLCertVerificationError) or is_plain_text(error):
        reason = str(error)
    else:
        return errors.Unreachable(excerpt(_unexpected(error)))
    return errors.Misconfigured(excerpt(reason), remedy=remedy(error, stage, server))


def _unexpected(error: aiosmtplib.SMTPException | OSError) -> str:
    if not isinstance(error, aiosmtplib.SMTPResponseException):
        return str(error)
    # Without a code, the answer could not be read.
    return f"{error.code} {error.message}" if error.code >= 0 else error.message


def _refusal(
    error: aiosmtplib.SMTPResponseException, stage: Stage, server: Server
) -> errors.TransportError:
    """Return the error for a reply: 4yz for now, 5yz for good (RFC 5321, section 4.2.1)."""
    reason, code = excerpt(f"{error.code} {error.message}"), error.code
    if code == 421 and stage in _OPENING:
        return TooManyConnections(reason)
    if code == 421 or stage in _GREETING:
        return errors.Unreachable(reason)
    # A refusal before RCPT affects all recipients.
    concerns_all = stage in _OPENING or stage is Stage.sender
    if code >= 500 and (concerns_all or code in _OUR_SETTINGS):
        return errors.Misconfigured(reason, remedy=remedy(error, stage, server))
    if concerns_all or code in _OUR_COMMANDS or _is_policy(error.message):
        # Messages are judged one by one, which says nothing about the next.
        content = stage in (Stage.data, Stage.end_of_data)
        return (errors.Retryable if content else errors.Unreachable)(reason)
    if code < 500:
        return errors.Retryable(reason)
    return (errors.AddressRefused if _is_recipient(error, stage) else errors.Rejected)(reason)


def _is_recipient(error: aiosmtplib.SMTPResponseException, stage: Stage) -> bool:
    """Return whether a 5yz reply is about the recipient, not about this message."""
    if _ENHANCED.match(error.message):
        return _RECIPIENT.match(error.message) is not None
    return stage is Stage.recipient and error.code in _NO_SUCH_MAILBOX


def _is_policy(message: str) -> bool:
    """Return whether a reply at RCPT or later is about our connection, name, sender or rate."""
    if _RECIPIENT.match(message):
        return False
    return bool(_POLICY.match(message) or _POLICY_WORDS.search(message))
