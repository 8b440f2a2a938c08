"""Fixtures for the unit tests: an archive without a service."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.archives import Archive, empty_archive, opened
from tests.support.delivering import Delivering
from tests.support.manual_clock import ManualClock

# How long an example takes says nothing where others use the same processors.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")


@pytest.fixture
def delivering(clock: ManualClock) -> Delivering:
    """An executor and a fan-out over an archive in memory."""
    return Delivering(clock)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty archive with all migrations applied, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "archive.db"
    file.write_bytes(empty_archive())
    return file


@pytest.fixture
async def archive(migrated: Path, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Archive]:
    """An open, empty archive with its writer at work."""
    shutil.copy(migrated, tmp_path / "archive.db")
    async with opened(tmp_path / "archive.db", clock) as archive:
        yield archive
