"""One process at a time on an archive."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from flashnotify.app import Service
from flashnotify.archive import schema
from flashnotify.errors import ArchiveLocked
from flashnotify.settings import ServiceConfig
from tests.support.manual_clock import ManualClock
from tests.support.running import ACADEMIC
from tests.support.serve_process import ServeProcess
from tests.support.watching import logged


async def test_a_second_serve_is_refused_with_a_remedy(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as first:
        second = await first.cli("serve", "--port", "0")
        assert second.code == 1
        assert second.stdout == ""
        message = second.stderr
        assert f"in use by another flashnotify (process {first.pid})" in message
        assert "Stop that one first" in message
        assert "FLASHNOTIFY_DATABASE_URL" in message
        assert "Traceback" not in message

        # The first has lost nothing: not its lock, its socket or its archive.
        for client in (first.http, first.admin):
            assert (await client.get("/readyz")).status_code == 200
        answer = await first.admin.post("/v1/notifications", json=ACADEMIC)
        assert answer.status_code == 202
        assert (await first.cli("serve", "--port", "0")).code == 1

        # What it left behind, lock file and socket, stands in nobody's way.
        await first.kill()
        assert first.archive.with_name(first.archive.name + ".lock").exists()
        await first.start()
        assert (await first.admin.get("/readyz")).status_code == 200
        assert await first.terminate() == 0


async def test_of_two_that_start_together_one_serves(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/flashnotify.db"
    both = [ServeProcess(tmp_path / name, DATABASE_URL=url) for name in ("a", "b")]
    try:
        for serve in both:
            await serve.start(ready=False)
        ended, _ = await asyncio.wait(
            [asyncio.create_task(serve.wait(), name=serve.folder.name) for serve in both],
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert [task.result() for task in ended] == [1]
        (loser,) = [serve for serve in both if serve.code is not None]
        (winner,) = [serve for serve in both if serve.code is None]
        assert "in use by another flashnotify" in loser.stderr
        await logged(winner, "serve.started")
        assert await winner.terminate() == 0
    finally:
        for serve in both:
            if serve.code is None:
                await serve.kill()


async def test_lock_is_taken_before_the_archive_is_touched(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = schema.upgrade
    upgrading, go_on = asyncio.Event(), asyncio.Event()

    async def held(url: Any) -> None:
        upgrading.set()
        await go_on.wait()
        await upgrade(url)

    monkeypatch.setattr(schema, "upgrade", held)
    first, second = Service(ServiceConfig(), clock), Service(ServiceConfig(), clock)
    opening = asyncio.create_task(first.open())
    await upgrading.wait()
    upgrading.clear()
    with pytest.raises(ArchiveLocked):
        await second.open()
    assert not upgrading.is_set()
    await second.close()

    # The one that was refused has not let go of what it never had.
    third = Service(ServiceConfig(), clock)
    with pytest.raises(ArchiveLocked):
        await third.open()
    await third.close()
    go_on.set()
    await opening
    await first.close()
