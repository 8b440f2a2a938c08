"""Fixtures for every test."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flashnotify.app import Service
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.settings import ServiceConfig
from tests.support.certificates import Authority
from tests.support.manual_clock import ManualClock
from tests.support.route_analysis import keep_analyses
from tests.support.running import Running, running
from tests.support.system import pytest_runtest_setup

__all__ = ["pytest_runtest_setup"]


def pytest_configure() -> None:
    """Keep asyncio from making a loop of its own, which pytest-asyncio would never close.

    See https://github.com/pytest-dev/pytest-asyncio/issues/724.
    """
    asyncio.set_event_loop(None)
    keep_analyses()
    # For each request of a client in this process, httpx looks for it anew, in vain.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]  # it may be None


def pytest_collection_finish() -> None:
    """Spare the garbage collector the modules and tests, which live until the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the certificate of an authority that vouches for no server of the tests."""
    return Authority(tmp_path_factory.mktemp("stranger"), "Stranger").ca_file


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stranger: Path) -> None:
    """Hide the machine's settings and `.env` from tests, and send files to `tmp_path`."""
    # The machine's own certificates take 30 ms to load, for each service and client.
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger))
    for name in os.environ:
        if name.startswith("FLASHNOTIFY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still until a test advances it."""
    return ManualClock()


@pytest.fixture
def kinds() -> Registry[NotifierSpec]:
    """A registry for the kinds that a test declares."""
    return Registry("kind")


@pytest.fixture
def wordings() -> Registry[TemplatesSpec]:
    """A registry for the templates that a test declares."""
    return Registry("template set")


@pytest.fixture
async def service(clock: ManualClock) -> AsyncIterator[Running]:
    """A running service on a new archive, with capture transports and the manual clock."""
    async with running(Service(ServiceConfig(), clock)) as started:
        yield started
