"""Email over SMTP (RFC 5321), with TLS from the start or by STARTTLS (RFC 3207)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Annotated, ClassVar

import aiosmtplib
from pydantic import AfterValidator

from flashnotify import errors
from flashnotify.channels.email.channel import EmailToOne
from flashnotify.channels.transport import Resources, Transport, TransportConfig, excerpt, limits
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Sent
from flashnotify.meta import setting

_STARTTLS = {"auto": None, "require": True, "never": False}
# What aiosmtplib raises for a refusal or a broken connection.
_FAILURES = (aiosmtplib.SMTPException, OSError)


def _certificates(path: Path | None) -> Path | None:
    if path is None:
        return None
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ValueError("it holds no certificates in PEM form") from None
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None
    return path


class SmtpConfig(TransportConfig):
    """Settings for SMTP servers."""

    ca_file: Annotated[Path | None, AfterValidator(_certificates)] = setting(
        None,
        env="SMTP_CA_FILE",
        help="Certificates to trust besides the system's, as PEM.",
        example="/etc/ssl/campus-ca.pem",
    )
    connections, timeout = limits("SMTP", item="email", to="an SMTP server")


class SmtpTransport(Transport[EmailToOne]):
    """`smtp://[user:password@]host[:port][?starttls=auto|require|never]` and `smtps://…`.

    `auto`, the default without a password, uses STARTTLS if the server offers it. With a password
    the default is `require`, which keeps the password off the network in clear text.
    """

    schemes: ClassVar[tuple[str, ...]] = ("smtp", "smtps")
    config: ClassVar[type[TransportConfig] | None] = SmtpConfig
    requires: ClassVar[tuple[str, ...]] = ("host",)

    def __init__(self, url: TransportURL, config: SmtpConfig, resources: Resources) -> None:
        super().__init__(url, config, resources)
        url.allow_options("starttls")
        choice = url.options.get("starttls", "require" if url.password else "auto")
        if choice not in _STARTTLS:
            known = ", ".join(_STARTTLS)
            raise errors.SettingsError(f"starttls must be one of {known}, not {choice!r}")
        self._starttls = _STARTTLS[choice] if url.scheme == "smtp" else False
        self._tls = resources.tls
        if config.ca_file is not None:
            self._tls = ssl.create_default_context()
            self._tls.load_verify_locations(config.ca_file)
        self._idle: list[aiosmtplib.SMTP] = []

    async def close(self) -> None:
        """Quit all idle connections at the same time: some servers never answer."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*map(_quit, idle))

    async def check(self) -> str:
        """Connect, say hello and log in, if the URL has a user."""
        try:
            await _quit(await self._connect())
        except _FAILURES as error:
            raise _explain(error) from error
        accepted = ", and accepts the user and password" if self.url.username else ""
        return f"it says hello{accepted}"

    async def send(self, content: EmailToOne) -> Sent:
        """Send one email; the result has the server's answer."""
        # Before any command, since this also checks the addresses in the commands.
        message = content.as_bytes()
        try:
            async with self._transaction(content.content.sender_address) as client:
                await client.rcpt(content.to)
                answer = await client.data(message)
        except _FAILURES as error:
            raise _explain(error) from error
        return Sent(answer=excerpt(f"{answer.code} {answer.message}"), reference=content.message_id)

    @asynccontextmanager
    async def _transaction(self, sender: str) -> AsyncIterator[aiosmtplib.SMTP]:
        client = await self._begin(sender)
        try:
            yield client
        except aiosmtplib.SMTPResponseException:
            # The server answered: the session can go on after a reset.
            with suppress(*_FAILURES), _closed_on_error(client):
                await client.rset()
                self._idle.append(client)
            raise
        except BaseException:
            client.close()
            raise
        self._idle.append(client)

    async def _begin(self, sender: str) -> aiosmtplib.SMTP:
        """Return a connection, idle or new, on which the server has accepted MAIL."""
        while self._idle:
            client = self._idle.pop()
            # Servers close idle sessions (RFC 5321, section 3.8), which does not fail this email.
            with suppress(*_FAILURES), _closed_on_error(client):
                await client.mail(sender)
                return client
        client = await self._connect()
        with _closed_on_error(client):
            await client.mail(sender)
        return client

    async def _connect(self) -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
            hostname=self.url.host,
            port=self.url.port,
            username=self.url.username,
            password=self.url.password,
            timeout=self.timeout,
            use_tls=self.url.scheme == "smtps",
            start_tls=self._starttls,
            tls_context=self._tls,
        )
        with _closed_on_error(client):
            await client.connect()
            await client.ehlo()
        return client


@contextmanager
def _closed_on_error(client: aiosmtplib.SMTP) -> Iterator[None]:
    try:
        yield
    except BaseException:
        client.close()
        raise


async def _quit(client: aiosmtplib.SMTP) -> None:
    with suppress(*_FAILURES):
        await client.quit(timeout=1)
    client.close()


def _explain(error: aiosmtplib.SMTPException | OSError) -> errors.TransportError:
    """Return the error for a failure: 4yz for now, 5yz for good (RFC 5321, section 4.2.1)."""
    if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError):
        return errors.Misconfigured(excerpt(str(error)))
    # aiosmtplib raises exactly its base class for a missing STARTTLS or AUTH only.
    if type(error) is aiosmtplib.SMTPException or isinstance(error, aiosmtplib.SMTPNotSupported):
        return errors.Misconfigured(excerpt(f"the server does not support the settings: {error}"))
    if not isinstance(error, aiosmtplib.SMTPResponseException):
        return errors.Unreachable(excerpt(str(error)))
    reason = excerpt(f"{error.code} {error.message}")
    if error.code == 421 or isinstance(error, aiosmtplib.SMTPConnectError):
        return errors.Unreachable(reason)
    if 400 <= error.code < 500:
        return errors.Retryable(reason)
    # About our credentials (RFC 4954, section 6) or our sender, not the recipient.
    ours = (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPSenderRefused)
    if isinstance(error, ours) or error.code in (530, 534, 535, 538):
        return errors.Misconfigured(reason)
    if 500 <= error.code < 600:
        return errors.Rejected(reason)
    return errors.Unreachable(reason)
