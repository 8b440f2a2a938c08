"""Output for people and programs: JSON, tables and progress bars."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from flashnotify.cli.standard_output import is_unicode


def program() -> str:
    """Return how to run `flashnotify` from any folder, as a part of a shell command."""
    name = sys.argv[0]
    if name.endswith("__main__.py"):
        return f"{shlex.quote(sys.executable)} -m flashnotify"
    return shlex.quote(str(Path(name).absolute()))


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=not is_unicode()))


def progress_bar() -> Progress:
    """Return a context that shows the progress of its tasks on standard error, if a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
