"""Fixtures for every test."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import Running, running
from tests.support.system import pytest_runtest_setup

__all__ = ["pytest_runtest_setup"]


def pytest_configure() -> None:
    """Keep asyncio from making a loop of its own, which pytest-asyncio would never close.

    See https://github.com/pytest-dev/pytest-asyncio/issues/724.
    """
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine, and no `.env`, reaches a test; files go to `tmp_path`."""
    for name in os.environ:
        if name.startswith("FLASHNOTIFY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    """Time, to be moved by hand."""
    return ManualClock()


@pytest.fixture
async def service(clock: ManualClock) -> AsyncIterator[Running]:
    """A running service on a new archive, with capture transports and the manual clock."""
    async with running(Service(ServiceConfig(), clock)) as started:
        yield started
