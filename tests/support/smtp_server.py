"""An SMTP server (aiosmtpd) in the test's own loop, whose answers a test scripts."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections import defaultdict, deque
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support import listener
from tests.support.listener import Listener, Misbehaviour

HANG, DROP = listener.HANG, listener.DROP
# For CONTENT only: the message is accepted, and the answer lost.
TAKE_AND_DROP = Misbehaviour("take the message and drop the connection")

Answer = str | Misbehaviour


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that the server has accepted."""

    sender: str
    recipients: list[str]
    content: bytes
    connection: int
    login: str | None
    encrypted: bool

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"])


class SmtpServer(Listener):
    """Accepts mail and keeps it in `mails`.

    `tls` encrypts from the start, `starttls` offers it. With `accounts` (names and passwords) it
    offers AUTH, in the clear too, and takes mail only after it.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        accounts: dict[str, str] | None = None,
    ) -> None:
        super().__init__(tls)
        self.starttls = starttls
        self.accounts = accounts
        self.mails: list[Mail] = []
        # Contents of complete messages that were refused.
        self.refused: list[bytes] = []
        self.most_at_once = 0
        # Whether it offers PIPELINING.
        self.pipelining = True
        # What came at once, before TLS or after it.
        self.packets: list[bytes] = []
        # Further connections get a 421.
        self.allowed: int | None = None
        # Seconds until the end of a message is answered.
        self.scanning = 0.0
        # (connection, command, name) of each EHLO and HELO.
        self.hellos: list[tuple[int, str, str]] = []
        self.recipients: list[str] = []
        self.plaintext = b""
        self._answers: dict[str, deque[Answer]] = defaultdict(deque)
        self._always: dict[str, Answer] = {}
        self._open: dict[int, _Protocol] = {}
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        """The transport URL of this server, without credentials."""
        return f"{'smtps' if self.tls else 'smtp'}://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """The number of open connections, without those refused by `allowed`."""
        return sum(not protocol.refused for protocol in self._open.values())

    def next(self, command: str, *answers: Answer) -> None:
        """Give `answers`, one each time, to the next of `command`.

        That is CONNECT (the greeting), EHLO, HELO, STARTTLS, MAIL, RCPT, DATA, RSET or CONTENT (the
        end of the message).
        """
        self._answers[command].extend(answers)

    def always(self, command: str, answer: Answer | None) -> None:
        """Give `answer` to `command`, or to `RCPT <address>` alone; None restores the default."""
        if answer is None:
            self._always.pop(command, None)
        else:
            self._always[command] = answer

    def answer(self, command: str, argument: str = "") -> Answer | None:
        """Return the scripted answer to a command, if any."""
        if self._answers[command]:
            return self._answers[command].popleft()
        return self._always.get(f"{command} {argument}", self._always.get(command))

    def disconnect(self) -> None:
        """Close the connections with a 421, as a server does after an idle timeout."""
        for protocol in list(self._open.values()):
            assert isinstance(protocol.transport, asyncio.Transport)
            protocol.transport.write(b"421 4.4.2 idle for too long\r\n")
            protocol.transport.close()

    def forget(self) -> None:
        """Read nothing more on the open connections, as behind a firewall that forgot them."""
        for protocol in self._open.values():
            protocol.forgotten = True

    def _protocol(self) -> asyncio.Protocol:
        return _Protocol(self)

    async def _drop_all(self) -> None:
        handlers = [p._handler_coroutine for p in self._open.values() if p._handler_coroutine]
        for protocol in list(self._open.values()):
            protocol.drop()
        await asyncio.gather(*handlers, return_exceptions=True)

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Check a password; aiosmtpd calls it."""
        assert isinstance(data, LoginPassword)
        name, password = data.login.decode(), data.password.decode()
        right = (self.accounts or {}).get(name) == password
        return AuthResult(success=right, handled=False, auth_data=name)


class _Protocol(SMTP):
    """One connection."""

    def __init__(self, owner: SmtpServer) -> None:
        super().__init__(
            _Handler(owner, self),
            hostname="mail.test",
            ident="tests",
            loop=asyncio.get_running_loop(),
            tls_context=owner.starttls,
            auth_require_tls=False,
            auth_exclude_mechanism=["LOGIN", "PLAIN"] if owner.accounts is None else None,
            authenticator=owner.authenticate,
        )
        self._auth_required = owner.accounts is not None
        self.owner = owner
        self.number = 0
        self.forgotten = False
        self.refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self.number:  # not again after STARTTLS
            self.number = next(self.owner._numbers)
            self.owner._open[self.number] = self
            allowed = self.owner.allowed
            self.refused = allowed is not None and self.owner.open > allowed
            self.owner.most_at_once = max(self.owner.most_at_once, self.owner.open)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.owner._open.pop(self.number, None)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self.forgotten:
            return
        self.owner.packets.append(data)
        assert self.transport is not None
        if self.transport.get_extra_info("sslcontext") is None:
            self.owner.plaintext += data
        super().data_received(data)

    async def push(self, status: Any) -> None:
        """Send an answer; the greeting is the answer to CONNECT."""
        if isinstance(status, str) and status.startswith("220 mail.test"):
            status = await self.instead("CONNECT") or status
            if self.refused:
                await super().push("421 4.7.0 too many connections from you")
                assert isinstance(self.transport, asyncio.Transport)
                self.transport.close()
                return
        await super().push(status)

    async def instead(self, command: str, argument: str = "") -> str | None:
        """Return the scripted answer or misbehave; None means the default."""
        return await self.give(self.owner.answer(command, argument))

    async def give(self, answer: Answer | None) -> str | None:
        """Misbehave, or return the answer."""
        if isinstance(answer, Misbehaviour):
            if answer is not HANG:
                self.drop()
            # The end of the connection cancels this.
            await asyncio.get_running_loop().create_future()
        return cast("str | None", answer)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        """Say hello, or refuse to."""
        self.owner.hellos.append((self.number, "EHLO", hostname))
        answer = await self.instead("EHLO")
        await (super().smtp_EHLO(hostname) if answer is None else self.push(answer))

    async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802
        """Say hello, or refuse to."""
        self.owner.hellos.append((self.number, "HELO", hostname))
        answer = await self.instead("HELO")
        await (super().smtp_HELO(hostname) if answer is None else self.push(answer))

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        """Start TLS, or refuse to."""
        answer = await self.instead("STARTTLS")
        await (super().smtp_STARTTLS(arg) if answer is None else self.push(answer))

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Start to receive a message, or refuse it."""
        answer = await self.instead("DATA")
        await (super().smtp_DATA(arg) if answer is None else self.push(answer))

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802
        """Abandon a message, or refuse to."""
        answer = await self.instead("RSET")
        await (super().smtp_RSET(arg) if answer is None else self.push(answer))

    def drop(self) -> None:
        """Abort the connection."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


class _Handler:
    """Handles the commands of one connection for aiosmtpd."""

    def __init__(self, owner: SmtpServer, protocol: _Protocol) -> None:
        self.owner = owner
        self.protocol = protocol

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, name: str, lines: list[str]
    ) -> list[str]:
        session.host_name = name
        return [*lines[:-1], *["250-PIPELINING"] * self.owner.pipelining, lines[-1]]

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self.protocol.instead("MAIL", address)
        if answer is None:
            envelope.mail_from = address
        return answer or "250 2.1.0 sender ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.owner.recipients.append(address)
        answer = await self.protocol.instead("RCPT", address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 2.1.5 recipient ok"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        await asyncio.sleep(self.owner.scanning)
        answer = self.owner.answer("CONTENT")
        if answer is TAKE_AND_DROP or answer is None:
            self._take(session, envelope)
        else:
            assert isinstance(envelope.content, bytes)
            self.owner.refused.append(envelope.content)
        return await self.protocol.give(answer) or f"250 2.0.0 queued as {len(self.owner.mails)}"

    def _take(self, session: Session, envelope: Envelope) -> None:
        login = session.auth_data if session.authenticated else None
        assert self.protocol.transport is not None
        assert isinstance(envelope.content, bytes)
        self.owner.mails.append(
            Mail(
                str(envelope.mail_from),
                list(envelope.rcpt_tos),
                envelope.content,
                self.protocol.number,
                login,
                self.protocol.transport.get_extra_info("sslcontext") is not None,
            )
        )
