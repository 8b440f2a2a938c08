"""Commands that talk to a running `serve` import none of its code, so that they answer at once."""

import asyncio
import contextlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from flashnotify.archive.sqlite.lock import ArchiveLock
from flashnotify.cli import _COMMANDS, app

# What takes as long to import as a command may take in all, or is of no use to one.
HEAVY = {
    "flashnotify.app",
    "flashnotify.settings",
    "fastapi",
    "httpx",
    "asyncio",
    "sqlalchemy",
    "structlog",
    "pygments",
    "typer.rich_utils",
}
ID = "0196e0a0-0000-7000-8000-000000000000"
NOTIFICATION: dict[str, Any] = {
    "id": ID,
    "kind": "academic",
    "title": "Room changed",
    "status": "completed",
    "priority": "low",
    "outcome": "all_sent",
    "accepted_at": "2026-12-01T08:00:00Z",
    "send_at": None,
    "counts": {},
    "key": "fn_key",
    "waiting": [],
    "items": [],
    "next": None,
}
EVENT = 'id: 1\nevent: missed\ndata: {"first": 1, "last": 1}\n\n'
RUN = """
import sys
sys.argv[0] = 'flashnotify'
from flashnotify.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


async def modules_of(*command: str, folder: Path) -> set[str]:
    """Return the modules that a command has imported when it ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, *command, cwd=folder, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    return set(said.decode().splitlines()[-1].split())


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "var").mkdir()
    file = tmp_path / "var" / "flashnotify.db"
    file.touch()
    return file


@pytest.mark.parametrize(
    "command",
    [
        "send --kind=academic --title=x --to=mailto:a@b.example --priority=high body",
        f"status {ID}",
        "list --limit=5 --since=today",
        "outbox",
        "queue",
        "keys create --name=x --scope=read",
        "users create --name=x --role=viewer",
        "audit list",
        "tail",
    ],
)
async def test_commands_import_no_server_code(command: str, archive: Path) -> None:
    lock = ArchiveLock(archive)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            body = EVENT if b"/v1/events" in head else json.dumps(NOTIFICATION)
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            if body == EVENT:
                lock.release()

    lock.acquire()
    async with await asyncio.start_unix_server(answer, archive.with_name("flashnotify.db.sock")):
        loaded = await modules_of(*command.split(), folder=archive.parents[1])
    assert "flashnotify.cli.client" in loaded
    assert HEAVY.isdisjoint(loaded)


def test_the_summaries_of_help_are_those_of_the_commands() -> None:
    group: Any = typer.main.get_command(app)
    for name, (_, summary) in _COMMANDS.items():
        _, command, _ = group.resolve_command(None, [name])
        first, *_ = command.help.split("\n\n")
        assert summary == " ".join(first.split())


@pytest.mark.parametrize("option", ["--help", "--version"])
async def test_help_and_version_import_no_command(option: str, tmp_path: Path) -> None:
    loaded = await modules_of(option, folder=tmp_path)
    commands = {f"flashnotify.cli.{module.partition(':')[0]}" for module, _ in _COMMANDS.values()}
    assert not loaded & (commands | HEAVY | {"pydantic", "rich"})
