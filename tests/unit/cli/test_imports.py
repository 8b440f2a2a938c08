"""Commands that talk to a running `serve` import none of its code, so that they start at once."""

import subprocess
import sys

import pytest

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
