"""An SMTP server, and transports that send to it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from flashnotify.channels.email.channel import EmailContent, EmailToOne
from flashnotify.channels.email.smtp.transport import SmtpConfig, SmtpTransport
from flashnotify.channels.transport import Resources
from flashnotify.channels.url import TransportURL
from flashnotify.domain import Message, Rendering
from flashnotify.ids import UUIDv7
from tests.conformance.adapter import Lent
from tests.support.certificates import authority
from tests.support.manual_clock import ManualClock
from tests.support.smtp_server import SmtpServer

__all__ = ["authority"]

Made = Callable[..., SmtpTransport]


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    """Run a plain SMTP server."""
    async with SmtpServer() as server:
        yield server


@pytest.fixture
def resources(tmp_path: Path, clock: ManualClock) -> Resources:
    """What the service lends to its transports."""
    return Lent(tmp_path, clock).resources


@pytest.fixture
async def made(resources: Resources) -> AsyncIterator[Made]:
    """Return a function that makes a transport for a URL and settings."""
    transports = []

    def make(url: str, **settings: object) -> SmtpTransport:
        config = SmtpConfig(**settings)
        transports.append(SmtpTransport(TransportURL(SecretStr(url)), config, resources))
        return transports[-1]

    yield make
    for transport in transports:
        await transport.close()


def email(to: str = "ada@univ.example") -> EmailToOne:
    """Return a new email."""
    rendering = Rendering("en", {"subject": "Room", "text": "B204", "html": "<p>B204</p>"})
    content = EmailContent(rendering, "Campus <noreply@univ.example>")
    return EmailToOne(content, Message(UUIDv7(lambda: 1)(), to, rendering, 1_800_000_000_000))
