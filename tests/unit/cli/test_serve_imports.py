"""`serve` imports what its settings need: the rest would take a third of its time to start."""

import subprocess
import sys
from pathlib import Path

START = """
import asyncio, sys
import flashnotify.cli.serve
from flashnotify.app import Service
from flashnotify.settings import ServiceConfig

async def start():
    service = Service(ServiceConfig())
    await service.open()
    service.app()
    await service.start()
    await service.close()

asyncio.run(start())
print(*sys.modules)
"""
# Of migrations, other databases, chat, the demo, backups and `doctor`.
UNUSED = {
    "alembic",
    "mako",
    "asyncpg",
    "sqlalchemy.dialects.postgresql",
    "apprise",
    "jose",
    "authlib",
    "joserfc",
    "zxcvbn",
    "flashnotify.archive.sqlite.backup",
    "flashnotify.cli.demo",
    "flashnotify.cli.doctor",
}


def test_serve_imports_what_it_uses(migrated: Path, tmp_path: Path) -> None:
    started = subprocess.run(
        [sys.executable, "-c", START],
        check=False,
        cwd=tmp_path,
        env={"FLASHNOTIFY_DATABASE_URL": f"sqlite:///{migrated}"},
        capture_output=True,
        text=True,
    )
    assert started.returncode == 0, started.stderr
    loaded = set(started.stdout.splitlines()[-1].split())
    assert "flashnotify.archive.writer" in loaded
    assert UNUSED.isdisjoint(loaded)
