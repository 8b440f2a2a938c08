"""What to change when an SMTP server refuses our settings: the variable, and a value for it."""

import ssl

import aiosmtplib

from flashnotify.channels.email.smtp.server import Server
from flashnotify.channels.email.smtp.stages import Stage

_URL = "FLASHNOTIFY_EMAIL_URL"
# X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
_EXPIRED, _OTHER_NAME = 10, (62, 64)
# From X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA to X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3.
_NOT_STRICT = range(80, 94)


class NotOffered(aiosmtplib.SMTPNotSupported):
    """The server does not offer an extension that our settings need."""


def is_plain_text(error: Exception) -> bool:
    """Return whether `error` says that the server answers a TLS handshake without TLS."""
    reasons = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
    return isinstance(error, ssl.SSLError) and error.reason in reasons


def remedy(error: Exception, stage: Stage, server: Server) -> str | None:
    """Return what to change after `error` at `stage`, or None if only the reason can tell."""
    host = server.host
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error, host)
    if isinstance(error, NotOffered):
        return _extension(str(error), host)
    if is_plain_text(error):
        return f"This port expects no TLS at the start: set {_URL}=smtp://{host}:{server.port}."
    code = error.code if isinstance(error, aiosmtplib.SMTPResponseException) else None
    if code == 504 or stage is Stage.hello:
        return (
            "Set FLASHNOTIFY_SMTP_EHLO_NAME to the name of this machine in the DNS, such as "
            "FLASHNOTIFY_SMTP_EHLO_NAME=notify.univ.example."
        )
    if stage is Stage.starttls:
        return _extension("STARTTLS", host)
    if stage is Stage.login:
        return (
            f"Check the user and password in {_URL}; percent-encode special characters, such as "
            "%40 for @."
        )
    if code in (530, 534, 535, 538):
        return f"Log in over TLS: set {_URL}=smtp://user:password@{host}:587."
    if stage is Stage.sender:
        return (
            "Set FLASHNOTIFY_EMAIL_FROM to a sender that the server accepts from this user, such "
            "as FLASHNOTIFY_EMAIL_FROM='Campus <noreply@univ.example>'."
        )
    return None


def speak_tls(server: Server) -> str:
    """Return what to change for a port that expects TLS from the start."""
    return f"This port expects TLS from the start: set {_URL}=smtps://{server.host}:{server.port}."


def _certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    if error.verify_code in _OTHER_NAME:
        return f"Write a host name that is in the certificate in {_URL}, instead of {host}."
    if error.verify_code == _EXPIRED:
        return f"Renew the certificate of {host}."
    if error.verify_code in _NOT_STRICT:
        return (
            f"Have the certificate of {host} issued again as RFC 5280 requires, which Python "
            f"checks since 3.13: {error.verify_message}."
        )
    return (
        "If the certificate is issued by your own authority, set "
        "FLASHNOTIFY_SMTP_CA_FILE=/etc/ssl/campus-ca.pem to the file with that authority's."
    )


def _extension(missing: str, host: str) -> str:
    if "STARTTLS" in missing:
        return (
            f"Use a port with TLS, {_URL}=smtps://{host}:465, or if everything on the way to the "
            f"server is yours, go without: {_URL}=smtp://{host}?starttls=never."
        )
    return (
        f"Use the port for submission, {_URL}=smtp://user:password@{host}:587, or leave out the "
        f"user and password: {_URL}=smtp://{host}:25."
    )
