"""One SMTP session (RFC 5321): greeting, EHLO, STARTTLS, EHLO, login, then messages."""

import asyncio
import re
from collections.abc import Awaitable
from contextlib import suppress
from typing import Self, cast

from aiosmtplib import SMTPException, SMTPResponse, SMTPResponseException
from aiosmtplib.auth import auth_crammd5_verify, auth_login_encode, auth_plain_encode
from aiosmtplib.errors import SMTPConnectError, SMTPServerDisconnected, SMTPTimeoutError
from aiosmtplib.esmtp import parse_esmtp_extensions

from flashnotify.channels.email.smtp.connection import Protocol, connect
from flashnotify.channels.email.smtp.error_mapping import explained
from flashnotify.channels.email.smtp.remedies import NotOffered
from flashnotify.channels.email.smtp.server import Server
from flashnotify.channels.email.smtp.stages import Stage

# Seconds for RSET and QUIT: nothing depends on their answers.
_BRIEF = 2.0
# Replies of servers that do not know EHLO (RFC 5321, section 4.1.4).
_NO_EHLO = (500, 501, 502, 504)
# From the safest on.
_MECHANISMS = ("cram-md5", "plain", "login")
# Any code that begins with 2 is an acceptance (RFC 5321, section 4.2.1).
_ACCEPTED = re.compile(rb"2[0-9]{2}")
_FIRST_DOT = re.compile(rb"(?m)^\.")


class Session:
    """An open session. All failures are raised as `TransportError`.

    EHLO is sent once, and again after STARTTLS only: some servers refuse another, or forget the
    login (RFC 5321, section 4.1.4, lets it reset the session).
    """

    def __init__(self, server: Server, protocol: Protocol) -> None:
        self._server = server
        self._protocol = protocol
        self._settled = False
        self._extensions: dict[str, str] = {}
        self._mechanisms: list[str] = []

    @property
    def usable(self) -> bool:
        """Whether another command may follow: the last one was answered, and not with the end."""
        return self._settled and self._protocol.is_connected

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
        """Begin a message; the server has `within` seconds to agree."""
        await self._command(Stage.sender, f"MAIL FROM:<{sender}>", 250, within=within)

    async def rcpt(self, recipient: str) -> None:
        """Name the recipient of the message."""
        await self._command(Stage.recipient, f"RCPT TO:<{recipient}>", 250)

    async def data(self, message: bytes) -> SMTPResponse:
        """Send the message, whose lines end with CRLF; return the server's answer.

        Once that begins as an acceptance, nothing after it undoes it: to send again makes copies.
        """
        await self._command(Stage.data, "DATA", 354)
        with explained(Stage.end_of_data, self._server):
            self._protocol.answer = b""
            self._protocol.write(_FIRST_DOT.sub(b"..", message) + b".\r\n")
            reading = self._protocol.read_response()
            try:
                return _expected(await self._answer(reading, Stage.end_of_data.timeout), 250)
            except SMTPException:
                if not _ACCEPTED.fullmatch(self._protocol.answer):
                    raise
                return SMTPResponse(int(self._protocol.answer), "the rest cannot be read")

    async def reset(self) -> None:
        """Abandon the message that was begun."""
        await self._command(Stage.sender, "RSET", 250, within=_BRIEF)

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
        # uvloop's transports are none of asyncio's classes, though they have the methods.
        transport = cast("asyncio.WriteTransport | None", self._protocol.transport)
        usable, self._settled = self.usable, False
        if transport is not None:
            # The end of TLS waits for an answer too, which a dead connection never gives.
            transport.close() if usable else transport.abort()

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
        server, reading = self._server, self._protocol.read_response()
        with explained(Stage.greeting, server):
            try:
                answer = await self._answer(reading, Stage.greeting.timeout)
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
        transport = self._protocol.transport
        address = transport.get_extra_info("sockname")[0] if transport is not None else ""
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    async def _start_tls(self, *, offered: bool) -> None:
        server = self._server
        with explained(Stage.starttls, server):
            if not offered:
                raise NotOffered("STARTTLS")
            upgrade = self._protocol.start_tls(server.tls, server_hostname=server.host)
            await self._answer(upgrade, Stage.starttls.timeout)

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

    async def _command(
        self, stage: Stage, line: str, expected: int, *, within: float | None = None
    ) -> None:
        with explained(stage, self._server):
            _expected(await self._reply(line, within or stage.timeout), expected)

    async def _reply(self, line: str, within: float) -> SMTPResponse:
        """Return the answer to a command, whatever it is."""
        return await self._answer(self._protocol.execute_command(line.encode("ascii")), within)

    async def _answer(self, reading: Awaitable[SMTPResponse], within: float) -> SMTPResponse:
        self._settled = False
        try:
            async with asyncio.timeout(within):
                answer = await reading
        except TimeoutError:
            raise SMTPTimeoutError(f"no answer within {within:g} s") from None
        # With 421 the server closes the connection (RFC 5321, section 3.8).
        self._settled = answer.code != 421
        return answer


def _expected(answer: SMTPResponse, code: int) -> SMTPResponse:
    """Return an answer with a code of this kind: unknown ones count by their first digit.

    See RFC 5321, section 4.2.1.
    """
    if answer.code // 100 != code // 100:
        raise SMTPResponseException(answer.code, answer.message)
    return answer
