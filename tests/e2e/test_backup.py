"""`flashnotify backup`, and a restore that works fully."""

import asyncio
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from flashnotify.app import Service
from flashnotify.settings import ServiceConfig
from tests.support.command_process import CommandProcess
from tests.support.eventually import eventually
from tests.support.in_process_cli import InProcessCli
from tests.support.running import ACADEMIC, running
from tests.support.serve_process import ServeProcess

# Each command is a process that has to start, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)

KEYS = (".secret", ".vapid.pem")
WEB_PUSH = {"PUSH_URL": "webpush:", "PUSH_CONTACT": "mailto:it@univ.example"}


async def vapid_key(http: httpx.AsyncClient, key: dict[str, str]) -> str:
    answer = await http.get("/v1/vapid-key", headers=key)
    assert answer.status_code == 200
    return str(answer.json()["key"])


def count(file: Path) -> int:
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(copy.execute("SELECT count(*) FROM notifications").fetchone()[0])


@pytest.mark.parametrize("served", [True, False], ids=["beside serve", "without serve"])
async def test_a_restore_has_the_messages_the_api_keys_and_the_web_push_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: bool
) -> None:
    target = tmp_path / "copies" / "monday.db"
    target.parent.mkdir()
    async with InProcessCli(tmp_path, **WEB_PUSH) as serve:
        key = await serve.key("notify:*", "read")
        accepted = await serve.http.post("/v1/notifications", json=ACADEMIC, headers=key)
        public = await vapid_key(serve.http, key)
        if not served:
            await serve.terminate()
        finished = await serve.cli("backup", str(target))
    assert (finished.code, finished.stderr) == (0, "")
    made = [target, *(target.with_name(target.name + end) for end in KEYS)]
    assert sorted(target.parent.iterdir()) == sorted(made)
    assert [line.split(":")[0] for line in finished.stdout.splitlines()] == list(map(str, made))
    assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}

    # As docs/commands.md has it: back to where it was, on another machine.
    restored = tmp_path / "elsewhere" / "flashnotify.db"
    restored.parent.mkdir()
    for end in ("", *KEYS):
        shutil.copy(f"{target}{end}", f"{restored}{end}")
    for name, value in WEB_PUSH.items():
        monkeypatch.setenv(f"FLASHNOTIFY_{name}", value)
    # Or served as it is.
    for file in (restored, target):
        monkeypatch.setenv("FLASHNOTIFY_DATABASE_URL", f"sqlite:///{file}")
        async with running(Service(ServiceConfig())) as copy:
            shown = await copy.anonymous.get(accepted.json()["href"], headers=key)
            assert (shown.status_code, shown.json()["title"]) == (200, ACADEMIC["title"])
            assert await vapid_key(copy.anonymous, key) == public


async def test_a_copy_taken_while_serve_is_busy_is_whole(tmp_path: Path) -> None:
    async with ServeProcess(tmp_path) as serve:
        done = asyncio.Event()
        accepted = 0

        async def keep_busy() -> None:
            nonlocal accepted
            while not done.is_set():
                lines = [ACADEMIC] * 50
                answer = await serve.admin.post("/v1/notifications/batch", json=lines)
                assert answer.status_code == 202
                accepted += 50

        busy = asyncio.create_task(keep_busy())
        try:
            await eventually(lambda: accepted >= 100)
            before = accepted
            assert (await serve.cli("backup", "copy.db")).code == 0
            after = accepted
        finally:
            done.set()
            await busy
    assert after > before
    # All that was accepted before, and nothing by halves.
    assert before <= count(tmp_path / "copy.db") <= after + 50


async def test_after_a_kill_the_copy_has_every_accepted_notification(tmp_path: Path) -> None:
    async with InProcessCli(tmp_path) as serve:
        for _ in range(3):
            assert (await serve.admin.post("/v1/notifications", json=ACADEMIC)).status_code == 202
        await serve.kill()
        # It is in the log alone, which nobody has checkpointed.
        assert serve.archive.with_name(serve.archive.name + "-wal").stat().st_size > 0
        assert (await serve.cli("backup", "copy.db")).code == 0
        assert count(tmp_path / "copy.db") == 3
        # Reading has left the archive for serve to recover.
        await serve.start()
        page = (await serve.admin.get("/v1/notifications")).json()
        assert len(page["items"]) == 3


async def test_a_terminal_shows_progress(tmp_path: Path) -> None:
    assert (await InProcessCli(tmp_path).cli("migrate")).code == 0
    async with CommandProcess(tmp_path, "backup", "copy.db", terminal=True) as backup:
        assert await backup.ends() == 0
    assert "checking" in backup.seen
    assert f"{(tmp_path / 'copy.db').stat().st_size:,} bytes" in backup.seen
