"""Commands that talk to a running `serve` import none of its code, so that they start at once."""

import subprocess
import sys
from typing import Any

import pytest
import typer

from flashnotify.cli import _COMMANDS, app

SERVER = {
    "flashnotify.app",
    "flashnotify.settings",
    "fastapi",
    "pydantic",
    "sqlalchemy",
    "structlog",
}


@pytest.mark.parametrize("command", ["send", "status", "list", "outbox", "keys", "tail"])
def test_client_commands_import_no_server_code(command: str) -> None:
    program = (
        "import sys; from flashnotify.cli import app; import typer; "
        f"assert typer.main.get_command(app).get_command(None, {command!r}) is not None; "
        "print(*sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "flashnotify.cli.client" in process.stdout.split()
    assert SERVER.isdisjoint(process.stdout.split())


def test_the_summaries_of_help_are_those_of_the_commands() -> None:
    group: Any = typer.main.get_command(app)
    for name, (_, summary) in _COMMANDS.items():
        first, *_ = group.get_command(None, name).help.split("\n\n")
        assert summary == " ".join(first.split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_no_command(option: str) -> None:
    program = (
        "import sys; sys.argv = ['flashnotify', sys.argv[1]]\n"
        "from flashnotify.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, option], capture_output=True, text=True, check=True
    )
    loaded = set(process.stdout.splitlines()[-1].split())
    modules = {f"flashnotify.cli.{module.partition(':')[0]}" for module, _ in _COMMANDS.values()}
    assert not loaded & (modules | SERVER | {"httpx"})
