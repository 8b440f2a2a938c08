"""Processes of `flashnotify`, without the settings of the machine."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


async def start_process(
    folder: Path,
    *arguments: str,
    settings: Mapping[str, str],
    environment: Mapping[str, str | None],
    **streams: Any,
) -> asyncio.subprocess.Process:
    """Start `python -m flashnotify <arguments>` in `folder`.

    `settings` are the `FLASHNOTIFY_…` variables without that prefix. A variable of `environment`
    that is None is not inherited.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FLASHNOTIFY_")}
    # Compiling every module anew would take most of the time of a short command.
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    variables = {**inherited, **environment, **{f"FLASHNOTIFY_{k}": v for k, v in settings.items()}}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "flashnotify",
        *arguments,
        cwd=folder,
        env={name: value for name, value in variables.items() if value is not None},
        **streams,
    )
