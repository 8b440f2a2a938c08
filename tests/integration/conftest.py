"""Fixtures of the tests over real sockets."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.certificates import authority
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running
from tests.support.smtp_server import SmtpServer

__all__ = ["authority"]

Emailing = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    """Run a plain SMTP server."""
    async with SmtpServer() as server:
        yield server


@pytest.fixture
def emailing(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> Emailing:
    """Return a function that runs the service with an EMAIL_URL and other settings."""

    @asynccontextmanager
    async def start(url: str, **settings: str) -> AsyncIterator[Running]:
        for name, value in {"EMAIL_URL": url, "SMTP_TIMEOUT": "5", **settings}.items():
            monkeypatch.setenv(f"FLASHNOTIFY_{name}", value)
        async with running(Service(ServiceConfig(), clock)) as service:
            yield service

    return start
