"""SIGTERM is handled from the first line on: to PID 1 of a container, it would be lost."""

import os
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path


def test_sigterm_ends_it_while_it_imports(tmp_path: Path) -> None:
    # Stands for the first package that the command line imports.
    kills_itself = f"import os\nos.kill(os.getpid(), {int(signal.SIGTERM)})\n"
    (tmp_path / "typer.py").write_text(kills_itself)
    command = [sys.executable, "-m", "flashnotify", "serve"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert ended.returncode == 128 + signal.SIGTERM
    assert ended.stderr == b""


def test_the_command_begins_there_too() -> None:
    (script,) = entry_points(group="console_scripts", name="flashnotify")
    assert script.value == "flashnotify.__main__:main"
