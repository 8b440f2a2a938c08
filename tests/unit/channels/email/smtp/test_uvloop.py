"""Sessions on the event loop of `serve`, whose transports are classes of its own."""

from pathlib import Path

import uvloop
from pydantic import SecretStr

from flashnotify.channels.email.smtp.transport import SmtpConfig, SmtpTransport
from flashnotify.channels.url import TransportURL
from flashnotify.errors import Misconfigured
from tests.conformance.adapter import Lent
from tests.support.certificates import Authority
from tests.support.eventually import eventually
from tests.support.smtp_server import SmtpServer
from tests.unit.channels.email.conftest import email


def test_sessions_are_closed_whatever_their_state(authority: Authority, tmp_path: Path) -> None:
    async def test() -> None:
        async with SmtpServer(starttls=authority.server()) as smtp:
            url = TransportURL(SecretStr(smtp.url))
            config = SmtpConfig(ca_file=authority.ca_file)
            transport = SmtpTransport(url, config, Lent(tmp_path).resources)
            await transport.send(email())
            smtp.next("MAIL", "421 4.3.2 going down", "550 5.7.1 not your address")
            try:
                await transport.send(email())
            except Misconfigured:
                await eventually(lambda: smtp.open == 0)
            await transport.send(email())
            await transport.close()
            await eventually(lambda: smtp.open == 0)
            assert len(smtp.mails) == 2

    uvloop.run(test())
