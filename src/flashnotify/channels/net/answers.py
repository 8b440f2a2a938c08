"""What HTTP answers, and failures to get one, mean for a delivery."""

import email.utils
import json
import re
import ssl
from datetime import UTC

import httpx

from flashnotify import errors
from flashnotify.channels.net.http_connection import Answer, NoAnswer
from flashnotify.channels.transport import excerpt

# Seconds: a longer Retry-After is cut to this.
_MAX_RETRY_AFTER = 86_400.0
# What a request may raise; UnicodeError is for an invalid host name.
FAILURES = (httpx.InvalidURL, httpx.LocalProtocolError, OSError, UnicodeError)


def describe(answer: Answer) -> str:
    """Return the status and the beginning of the text."""
    return excerpt(f"{answer.status_code} {answer.text}")


def json_field(answer: Answer, *names: str) -> str | int | None:
    """Return the first field of `names` that holds a text or number, if the answer is JSON."""
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    found = map(document.get, names) if isinstance(document, dict) else ()
    return next((value for value in found if isinstance(value, str | int) and value != ""), None)


def raise_for_status(answer: Answer, now: int) -> str:
    """Describe a 2xx answer, or raise the error for any other; `now` is in ms since the epoch.

    Raises:
        Throttled: 429, with the Retry-After.
        Retryable: 408 or 425, with the Retry-After.
        Unreachable: 5xx, with the Retry-After.
        Misconfigured: 401, 403, 407 or a redirect: our URL or credentials are wrong.
        Rejected: any other 4xx.
    """
    status = answer.status_code
    reason = describe(answer)
    if 200 <= status < 300:
        return reason
    if status in (408, 425, 429):
        refused = errors.Throttled if status == 429 else errors.Retryable
        raise refused(reason, after=_retry_after(answer, now))
    if status >= 500:
        raise errors.Unreachable(reason, after=_retry_after(answer, now))
    if status < 400:
        # The body of a redirect often quotes the whole of our request.
        raise errors.Misconfigured(f"{status}: the server redirects to another URL")
    if status in (401, 403, 407):
        raise errors.Misconfigured(reason)
    raise errors.Rejected(reason)


def _retry_after(answer: Answer, now: int) -> float | None:
    """Return the seconds to wait (RFC 9110, section 10.2.3), given as a number or a date."""
    value = answer.header(b"retry-after").decode("latin-1")
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        return min(float(value), _MAX_RETRY_AFTER)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, moment.timestamp() - now / 1000), _MAX_RETRY_AFTER)


class AddressNotPermitted(OSError):
    """The IP address may not be connected to."""

    def __str__(self) -> str:
        return "its address may not be connected to: it is not public"


def transport_error(failure: BaseException) -> errors.TransportError:
    """Return the error for one of `FAILURES`, without the URL, which may hold a password."""
    match failure:
        case ssl.SSLCertVerificationError():
            return errors.Misconfigured("the server's certificate cannot be trusted")
        case AddressNotPermitted() | httpx.LocalProtocolError():
            return errors.Unsendable(str(failure))
        case NoAnswer():
            return errors.Unreachable(excerpt(str(failure)))
        case httpx.InvalidURL() | UnicodeError():
            return errors.Unreachable("the URL cannot be used")
        case _:
            return errors.Unreachable(type(failure).__name__)
