"""Reads under load and from a broken archive."""

import asyncio
import threading

import pytest
from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncEngine

from flashnotify.archive.sql.reading import Reading
from flashnotify.archive.sqlite import engine
from flashnotify.archive.sqlite.engine import archive_url, open_readers
from flashnotify.errors import Unavailable
from tests.support.archives import Archive


async def test_a_read_that_waits_too_long_for_a_connection_is_unavailable(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_PATIENCE", 0.1)
    readers: AsyncEngine = open_readers(archive_url(f"sqlite:///{archive.file}"), connections=2)
    reader = Reading(readers)
    async with readers.connect(), readers.connect():
        with pytest.raises(Unavailable, match="Too many reads") as refused:
            await reader.value(select(literal(1)))
        assert refused.value.retry_after > 0
        # It has not taken anything with it.
        waiting = asyncio.create_task(reader.value(select(literal(0))))
        await asyncio.sleep(0)
    assert await waiting == 0
    await reader.close()


async def test_an_archive_that_cannot_be_read_is_unavailable(archive: Archive) -> None:
    archive.change("ALTER TABLE api_keys RENAME TO no_api_keys")
    with pytest.raises(Unavailable, match="cannot be read"):
        await archive.ports.ping()


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), OSError(24, "Too many open files")]
)
async def test_a_read_without_a_thread_or_a_file_is_unavailable(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    readers = open_readers(archive_url(f"sqlite:///{archive.file}"))
    reader = Reading(readers)

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(Unavailable, match="cannot be read"):
            await reader.value(select(literal(1)))
    assert await reader.value(select(literal(1))) == 1
    await reader.close()
