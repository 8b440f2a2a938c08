"""What the exceptions of httpx, aiohttp and the system mean for a delivery."""

from __future__ import annotations

import ssl

import aiohttp
import httpx

from flashnotify.channels.transport import excerpt
from flashnotify.errors import Misconfigured, TransportError, Unreachable, Unsendable

# What a request may raise; UnicodeError is for an invalid host name.
FAILURES = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, UnicodeError)


class AddressNotPermitted(OSError):
    """The IP address may not be connected to."""

    def __str__(self) -> str:
        # Equal for all addresses of a host, or aiohttp would join them into one text.
        return "its address may not be connected to: it is not public"


class TooManyInterimAnswers(aiohttp.ClientError):
    """The server keeps sending interim answers (RFC 9110, section 15.2)."""


def transport_error(failure: BaseException) -> TransportError:
    """Return the error of a transport for one of `FAILURES`."""
    if _has_cause(failure, ssl.SSLCertVerificationError, aiohttp.ClientConnectorCertificateError):
        return Misconfigured("the server's certificate cannot be trusted")
    if _has_cause(failure, AddressNotPermitted):
        return Unsendable(str(AddressNotPermitted()))
    return Unreachable(excerpt(_explain(failure)))


def _explain(failure: BaseException) -> str:
    """Describe the failure without the URL, which may hold a password and which errors quote."""
    # httpx-aiohttp wraps most of aiohttp's errors in one of httpx's.
    wrapped = isinstance(failure, httpx.HTTPError) and failure.__cause__ is not None
    match failure.__cause__ if wrapped else failure:
        case aiohttp.ClientConnectorError() as refused:
            return f"cannot connect to {refused.host}:{refused.port}: {refused.os_error}"
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return "the server closed the connection without an answer"
        case TooManyInterimAnswers():
            return "the server keeps sending interim answers (1xx)"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case aiohttp.InvalidURL() | httpx.InvalidURL() | UnicodeError():
            return "the URL cannot be used"
        case other:
            return type(other).__name__


def _has_cause(error: BaseException | None, *kinds: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kinds):
            return True
        error = error.__cause__ or error.__context__
    return False
