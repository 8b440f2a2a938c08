"""Email over SMTP (RFC 5321), with TLS from the start or by STARTTLS (RFC 3207)."""

import asyncio
import re
import ssl
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from flashnotify import errors
from flashnotify.channels.email.channel import EmailToOne
from flashnotify.channels.email.settings import EmailConfig
from flashnotify.channels.email.smtp.connection import expects_tls
from flashnotify.channels.email.smtp.remedies import speak_tls
from flashnotify.channels.email.smtp.server import Encryption, Server
from flashnotify.channels.email.smtp.session import Session
from flashnotify.channels.email.smtp.session_pool import SessionPool
from flashnotify.channels.transport import Resources, Transport, TransportConfig, excerpt, limits
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Sent
from flashnotify.meta import setting

_STARTTLS: dict[str, Encryption] = {"auto": "auto", "require": "require", "never": "never"}
_PORTS: dict[Encryption, int] = {"tls": 465, "require": 587, "auto": 25, "never": 25}
# Seconds without a greeting until `check` tries whether the server expects TLS.
_PATIENCE = 3.0
_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9][A-Za-z0-9-]*)*")


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


def _ehlo_name(name: str | None) -> str | None:
    if name is not None and not _is_host(name) and not _is_literal(name):
        raise ValueError("it must be a host name, or an address in brackets; never localhost")
    return name


def _is_host(name: str) -> bool:
    """Return whether `name` says who we are: no server believes that we are localhost."""
    return bool(_HOST_NAME.fullmatch(name)) and name.lower().split(".")[0] != "localhost"


def _is_literal(name: str) -> bool:
    try:
        return bool(ip_address(name.removeprefix("[").removeprefix("IPv6:").removesuffix("]")))
    except ValueError:
        return False


class SmtpConfig(TransportConfig):
    """Settings for SMTP servers."""

    ca_file: Annotated[Path | None, AfterValidator(_certificates)] = setting(
        None,
        env="SMTP_CA_FILE",
        help="Certificates to trust besides the system's, as PEM.",
        example="/etc/ssl/campus-ca.pem",
    )
    ehlo_name: Annotated[str | None, AfterValidator(_ehlo_name)] = setting(
        None,
        env="SMTP_EHLO_NAME",
        help="Name of this machine for SMTP servers; by default the domain of EMAIL_FROM.",
        example="notify.univ.example",
    )
    connections = limits("SMTP", item="email", to="an SMTP server")[0]
    idle: Annotated[float, Field(gt=0, le=600)] = setting(
        30.0,
        env="SMTP_IDLE_SECONDS",
        help="Seconds that an unused connection to an SMTP server is kept. Less than firewalls do.",
        example="10",
    )
    timeout: Annotated[float, Field(gt=0, le=7200)] = setting(
        3600.0,
        env="SMTP_TIMEOUT",
        help="Timeout of one email to an SMTP server, in seconds. Each step has its own as well, "
        "as RFC 5321 recommends. With less than ten minutes, a server that is slow to accept a "
        "message may get copies of it.",
        example="60",
    )


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
        self._sender = parseaddr(EmailConfig().sender)[1]
        domain = self._sender.rpartition("@")[2]
        encryption = _encryption(url)
        self._server = Server(
            url.host,
            url.port or _PORTS[encryption],
            encryption,
            _tls(config, resources),
            config.ehlo_name or (domain if _is_host(domain) else None),
            url.username,
            url.password or "",
        )
        self._pool = SessionPool(self._open, self.connections, config.idle, resources.clock)

    async def close(self) -> None:
        """End all sessions that are kept."""
        await self._pool.close()

    async def check(self) -> str:
        """Go through a session as a delivery does, up to MAIL: it sends no message."""
        session = await self._open_or_find_tls()
        try:
            await session.mail(self._sender)
            await session.reset()
        finally:
            await session.quit()
        login = "accepts the user and password, " if self.url.username else ""
        return f"it says hello, {login}and accepts mail from {self._sender}"

    async def send(self, content: EmailToOne) -> Sent:
        """Send one email; the result has the server's answer."""
        # Before any command, since this also checks the addresses in the commands.
        message = content.as_bytes()
        answer = await self._pool.send(content.content.sender_address, content.to, message)
        return Sent(answer=excerpt(f"{answer.code} {answer.message}"), reference=content.message_id)

    async def _open(self) -> Session:
        return await Session.open(self._server)

    async def _open_or_find_tls(self) -> Session:
        """Return a session. Raise `Misconfigured` if the server waits for us to begin TLS."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._open()
        except TimeoutError:
            server = self._server
            if server.encryption != "tls" and await expects_tls(server):
                reason = "the server sends no greeting, since it expects TLS from the start"
                remedy = speak_tls(server)
                raise errors.Misconfigured(reason, remedy=remedy) from None
        return await self._open()


def _encryption(url: TransportURL) -> Encryption:
    url.allow_options("starttls")
    if url.scheme == "smtps":
        return "tls"
    choice = url.options.get("starttls", "require" if url.password else "auto")
    if choice not in _STARTTLS:
        known = ", ".join(_STARTTLS)
        raise errors.SettingsError(f"starttls must be one of {known}, not {choice!r}")
    return _STARTTLS[choice]


def _tls(config: SmtpConfig, resources: Resources) -> ssl.SSLContext:
    if config.ca_file is None:
        return resources.tls
    tls = ssl.create_default_context()
    tls.load_verify_locations(config.ca_file)
    return tls
