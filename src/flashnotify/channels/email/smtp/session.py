"""One SMTP session (RFC 5321): greeting, EHLO, STARTTLS, EHLO, login, then messages."""

import asyncio
import re
from contextlib import suppress
from typing import Self

from aiosmtplib import SMTPException, SMTPResponse, SMTPResponseException
from aiosmtplib.auth import auth_crammd5_verify, auth_login_encode, auth_plain_encode
from aiosmtplib.errors import SMTPConnectError, SMTPServerDisconnected
from aiosmtplib.esmtp import parse_esmtp_extensions

from flashnotify.channels.email.smtp.connection import connect
from flashnotify.channels.email.smtp.error_mapping import explained
from flashnotify.channels.email.smtp.protocol import Protocol
from flashnotify.channels.email.smtp.remedies import NotOffered
from flashnotify.channels.email.smtp.server import Server
from flashnotify.channels.email.smtp.stages import Stage
from flashnotify.errors import TransportError

# Seconds for RSET and QUIT: nothing depends on their answers.
_BRIEF = 2.0
# Replies of servers that do not know EHLO (RFC 5321, section 4.1.4).
_NO_EHLO = (500, 501, 502, 504)
# From the safest on.
_MECHANISMS = ("cram-md5", "plain", "login")
# Any code that begins with 2 is an acceptance (RFC 5321, section 4.2.1).
_ACCEPTED = re.compile(rb"2[0-9]{2}")
_END_OF_DATA = b".\r\n"


class Session:
    """An open session. All failures are raised as `TransportError`.

    EHLO is sent once, and again after STARTTLS only: some servers refuse another, or forget the
    login (RFC 5321, section 4.1.4, lets it reset the session).
    """

    def __init__(self, server: Server, protocol: Protocol) -> None:
        self._server = server
        self._protocol = protocol
        self._extensions: dict[str, str] = {}
        self._mechanisms: list[str] = []

    @property
    def _pipelining(self) -> bool:
        return "pipelining" in self._extensions

    @property
    def usable(self) -> bool:
        """Whether another command may follow: all were answered, and not with the end."""
        return self._protocol.settled

    @classmethod
    async def open(cls, server: Server) -> Self:
        """Return a session in which a message may begin."""
        with explained(Stage.connect, server):
            session = cls(server, await connect(server))
        try:
            await session._begin()
        except BaseException:
            session.close()
            raise
        return session

    async def mail(self, sender: str, *, within: float = Stage.sender.timeout) -> None:
        """Begin a message; the server has `within` seconds to accept the sender."""
        await self._step(Stage.sender, _mail(sender), 250, within=within)

    async def begin(
        self, sender: str, recipient: str, *, within: float = Stage.sender.timeout
    ) -> None:
        """Begin a message to one recipient, which `finish` sends.

        If the server can take that, all commands leave at once (RFC 2920).
        """
        if self._pipelining:
            with explained(Stage.sender, self._server):
                self._protocol.send(_mail(sender), _rcpt(recipient), "DATA")
        await self.mail(sender, within=within)

    async def finish(self, recipient: str, message: bytes) -> SMTPResponse:
        """Send the message, whose lines end with CRLF; return the server's answer.

        Once that begins as an acceptance, nothing after it undoes it: to send again makes copies.
        """
        try:
            await self._step(Stage.recipient, _rcpt(recipient), 250)
        except TransportError:
            if self._pipelining and self._protocol.replies_due == 1:
                await self._withdraw()
            raise
        await self._step(Stage.data, "DATA", 354)
        with explained(Stage.end_of_data, self._server):
            self._protocol.write(_dot_stuffed(message) + _END_OF_DATA)
            try:
                return _expected(await self._protocol.reply(Stage.end_of_data.timeout), 250)
            except SMTPException:
                code = self._protocol.begun
                if not _ACCEPTED.fullmatch(code):
                    raise
                return SMTPResponse(int(code), "the rest cannot be read")

    async def reset(self) -> None:
        """Abandon the message that was begun."""
        with explained(Stage.sender, self._server):
            _expected(await self._reply("RSET", _BRIEF), 250)

    async def quit(self) -> None:
        """End the session, with QUIT if the server answers soon."""
        try:
            with suppress(SMTPException, OSError):
                if self.usable:
                    await self._reply("QUIT", _BRIEF)
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection, without waiting for anything."""
        self._protocol.close()

    async def _begin(self) -> None:
        server = self._server
        await self._greeting()
        await self._hello()
        offered = "starttls" in self._extensions
        if server.encryption == "require" or (server.encryption == "auto" and offered):
            await self._start_tls(offered=offered)
            # What the server said before may have been forged (RFC 3207, section 4.2).
            await self._hello()
        if server.username is not None:
            await self._login(server.username, server.password)

    async def _greeting(self) -> None:
        server = self._server
        with explained(Stage.greeting, server):
            try:
                answer = await self._protocol.reply(Stage.greeting.timeout)
            except SMTPServerDisconnected as error:
                failure = f"Error connecting to {server.host} on port {server.port}: {error}"
                raise SMTPConnectError(failure) from error
            _expected(answer, 220)

    async def _hello(self) -> None:
        with explained(Stage.hello, self._server):
            name, self._extensions, self._mechanisms = self._name(), {}, []
            answer = await self._reply(f"EHLO {name}", Stage.hello.timeout)
            if answer.code in _NO_EHLO:
                _expected(await self._reply(f"HELO {name}", Stage.hello.timeout), 250)
                return
            _expected(answer, 250)
            self._extensions, self._mechanisms = parse_esmtp_extensions(answer.message)

    def _name(self) -> str:
        """Return our name, or else our address as a literal (RFC 5321, section 4.1.3)."""
        if self._server.ehlo_name is not None:
            return self._server.ehlo_name
        address = self._protocol.transport.get_extra_info("sockname")[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    async def _start_tls(self, *, offered: bool) -> None:
        server = self._server
        with explained(Stage.starttls, server):
            if not offered:
                raise NotOffered("STARTTLS")
            async with asyncio.timeout(Stage.starttls.timeout):
                answer = await self._reply("STARTTLS", Stage.starttls.timeout)
                if answer.code != 220:
                    raise SMTPResponseException(*answer)
                await self._protocol.start_tls(server.tls, server.host)

    async def _login(self, username: str, password: str) -> None:
        with explained(Stage.login, self._server):
            refusal: SMTPResponse | None = None
            for mechanism in (m for m in _MECHANISMS if m in self._mechanisms):
                try:
                    answer = await self._authenticate(mechanism, username, password)
                except SMTPException:
                    # After a refusal, a server may close the connection.
                    if refusal is None:
                        raise
                    break
                if answer.code == 235:
                    return
                refusal = answer
            if refusal is None:
                raise NotOffered("AUTH")
            raise SMTPResponseException(*refusal)

    async def _authenticate(self, mechanism: str, username: str, password: str) -> SMTPResponse:
        """Return the last answer to a mechanism (RFC 4954, section 4)."""
        within = Stage.login.timeout
        if mechanism == "plain":
            words = auth_plain_encode(username, password).decode()
            return await self._reply(f"AUTH PLAIN {words}", within)
        if mechanism == "login":
            name, secret = auth_login_encode(username, password)
            answer = await self._reply(f"AUTH LOGIN {name.decode()}", within)
            return await self._reply(secret.decode(), within) if answer.code == 334 else answer
        answer = await self._reply("AUTH CRAM-MD5", within)
        if answer.code != 334:
            return answer
        proof = auth_crammd5_verify(username, password, answer.message)
        return await self._reply(proof.decode(), within)

    async def _step(
        self, stage: Stage, command: str, expected: int, *, within: float | None = None
    ) -> None:
        """Send a command, unless it has left with others; wait for its answer."""
        with explained(stage, self._server):
            if not self._protocol.replies_due:
                self._protocol.send(command)
            _expected(await self._protocol.reply(within or stage.timeout), expected)

    async def _withdraw(self) -> None:
        """End a DATA that left with the RCPT that was refused (RFC 2920, section 3.1)."""
        with suppress(SMTPException):
            if (await self._protocol.reply(_BRIEF)).code == 354:
                # To no recipient.
                self._protocol.write(_END_OF_DATA)
                await self._protocol.reply(_BRIEF)

    async def _reply(self, command: str, within: float) -> SMTPResponse:
        """Return the answer to a command, whatever it is."""
        self._protocol.send(command)
        return await self._protocol.reply(within)


def _mail(sender: str) -> str:
    return f"MAIL FROM:<{sender}>"


def _rcpt(recipient: str) -> str:
    return f"RCPT TO:<{recipient}>"


def _dot_stuffed(message: bytes) -> bytes:
    """Return a message in which no line is a dot (RFC 5321, section 4.5.2)."""
    first = b"." if message.startswith(b".") else b""
    return first + message.replace(b"\r\n.", b"\r\n..")


def _expected(answer: SMTPResponse, code: int) -> SMTPResponse:
    """Return an answer with a code of this kind: unknown ones count by their first digit.

    See RFC 5321, section 4.2.1.
    """
    if answer.code // 100 != code // 100:
        raise SMTPResponseException(answer.code, answer.message)
    return answer
