"""Email over SMTP (RFC 5321), with TLS from the start or by STARTTLS (RFC 3207)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, ClassVar

import aiosmtplib
from pydantic import AfterValidator
from pydantic import Field as PydanticField

from flashnotify.channels.email.channel import EmailToOne
from flashnotify.channels.transport import Connections, Resources, Transport, TransportURL, words
from flashnotify.domain import Sent
from flashnotify.errors import (
    Misconfigured,
    Rejected,
    Retryable,
    SettingsError,
    TransportError,
    Unreachable,
)
from flashnotify.meta.configs import Config, setting


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


class SmtpConfig(Config):
    """How SMTP servers are talked to."""

    connections: Annotated[int, PydanticField(ge=1, le=1000)] = setting(
        16,
        env="SMTP_CONNECTIONS",
        help="Connections kept open to each SMTP server, a quarter of them for urgent email.",
        example="32",
    )
    timeout: Annotated[float, PydanticField(gt=0, le=600)] = setting(
        30.0, env="SMTP_TIMEOUT", help="Seconds that one email may take.", example="30"
    )
    ca_file: Annotated[Path | None, AfterValidator(_certificates)] = setting(
        None,
        env="SMTP_CA_FILE",
        help="Certificates to trust besides the system's, as PEM.",
        example="/etc/ssl/campus-ca.pem",
    )


class SmtpTransport(Transport[EmailToOne]):
    """`smtp://[user:password@]host[:port][?starttls=auto|require|never]` and `smtps://…`.

    `auto`, the default without a password, uses STARTTLS where the server offers it; with a
    password the default is `require`, so that it never crosses the network in the clear.
    """

    schemes: ClassVar[tuple[str, ...]] = ("smtp", "smtps")
    example: ClassVar[str] = "smtp://user:password@mail.univ.example:587"
    config: ClassVar[type[Config] | None] = SmtpConfig

    def __init__(self, url: TransportURL, config: Config | None, resources: Resources) -> None:
        super().__init__(url, config, resources)
        assert isinstance(config, SmtpConfig)
        if not url.host:
            raise SettingsError("names no host")
        if unknown := sorted(set(url.options) - {"starttls"}):
            raise SettingsError(f"has the option {unknown[0]!r}; only starttls is known")
        choice = url.options.get("starttls", "require" if url.password else "auto")
        if choice not in _STARTTLS:
            raise SettingsError(f"starttls must be one of {', '.join(_STARTTLS)}, not {choice!r}")
        self._starttls = _STARTTLS[choice] if url.scheme == "smtp" else False
        self.connections = Connections(config.connections)
        self.timeout = config.timeout
        self._tls = ssl.create_default_context()
        if config.ca_file is not None:
            self._tls.load_verify_locations(config.ca_file)
        self._idle: list[aiosmtplib.SMTP] = []

    async def close(self) -> None:
        """Say goodbye on the idle connections, on all at once: some servers never answer."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_say_goodbye(client) for client in idle))

    async def check(self) -> str:
        """Connect, say hello and log in, if the URL has a user.

        Raises:
            TransportError: as `send` does.
        """
        try:
            client = await self._connect()
        except aiosmtplib.SMTPException as error:
            raise _explain(error) from error
        except OSError as error:
            raise Unreachable(words(str(error))) from error
        with suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=1)
        client.close()
        return "it says hello" + (", and takes the user and password" if self.url.username else "")

    async def send(self, content: EmailToOne) -> Sent:
        """Send one email; the server's words are in the outcome.

        Raises:
            Unsendable: the message is malformed. No command was sent.
            TransportError: as RFC 5321, section 4.2.1 has it: 4yz for now, 5yz for good.
        """
        # Before any command: this also checks the addresses that the commands hold.
        message = content.as_bytes()
        try:
            async with self._transaction(content.content.sender_address) as client:
                await client.rcpt(content.to)
                answer = await client.data(message)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _explain(error) from error
        return Sent(answer=words(f"{answer.code} {answer.message}"), reference=content.message_id)

    @asynccontextmanager
    async def _transaction(self, sender: str) -> AsyncIterator[aiosmtplib.SMTP]:
        client = await self._begin(sender)
        try:
            yield client
        except aiosmtplib.SMTPResponseException:
            # The server answered: the session goes on once the envelope is reset.
            await self._reset(client)
            raise
        except BaseException:
            client.close()
            raise
        self._idle.append(client)

    async def _begin(self, sender: str) -> aiosmtplib.SMTP:
        """A connection whose MAIL command has been accepted: a kept one, or else a new one."""
        while self._idle:
            client = self._idle.pop()
            if await self._still_good(client, sender):
                return client
        client = await self._connect()
        try:
            await client.mail(sender)
        except BaseException:
            client.close()
            raise
        return client

    async def _still_good(self, client: aiosmtplib.SMTP, sender: str) -> bool:
        try:
            await client.mail(sender)
        except (aiosmtplib.SMTPException, OSError):
            # Servers close idle sessions (RFC 5321, section 3.8): that is no failure of this email.
            client.close()
            return False
        except BaseException:
            client.close()
            raise
        return True

    async def _reset(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.rset()
        except (aiosmtplib.SMTPException, OSError):
            client.close()
        except BaseException:
            client.close()
            raise
        else:
            self._idle.append(client)

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
        try:
            await client.connect()
            await client.ehlo()
        except BaseException:
            client.close()
            raise
        return client


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    with suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=1)
    client.close()


_STARTTLS = {"auto": None, "require": True, "never": False}


def _explain(error: aiosmtplib.SMTPException | OSError) -> TransportError:
    """What an error of SMTP, or of the connection below it, means for the delivery."""
    if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError):
        return Misconfigured(words(str(error)))
    # aiosmtplib raises its base class itself for a missing STARTTLS or AUTH, and nothing else.
    if type(error) is aiosmtplib.SMTPException or isinstance(error, aiosmtplib.SMTPNotSupported):
        return Misconfigured(words(f"the server does not offer what the settings ask for: {error}"))
    if not isinstance(error, aiosmtplib.SMTPResponseException):
        return Unreachable(words(str(error)))
    reason = words(f"{error.code} {error.message}")
    if error.code == 421 or isinstance(error, aiosmtplib.SMTPConnectError):
        return Unreachable(reason)
    if 400 <= error.code < 500:
        return Retryable(reason)
    # Our credentials (RFC 4954, section 6), or our sender: nothing a recipient can mend.
    ours = (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPSenderRefused)
    if isinstance(error, ours) or error.code in (530, 534, 535, 538):
        return Misconfigured(reason)
    if 500 <= error.code < 600:
        return Rejected(reason)
    return Unreachable(reason)
