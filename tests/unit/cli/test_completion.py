"""Completion in a real bash, as `flashnotify --show-completion` sets it up."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

# What bash does for the words of a line when Tab is typed at its end (Programmable Completion).
TAB = """
eval "$(flashnotify --show-completion)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
$(complete -p flashnotify | sed 's/.*-F \\([^ ]*\\).*/\\1/') flashnotify
echo "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        (["sta"], "status"),
        (["send", "--kind", "academic", "--pri"], "--priority"),
        (["keys", ""], "create list revoke rotate"),
        (["list", "--s"], "--status --since"),
    ],
)
async def test_tab_completes_commands_and_options(
    line: list[str], completed: str, tmp_path: Path
) -> None:
    installed = Path(sys.executable).parent
    bash = await asyncio.create_subprocess_exec(
        *("bash", "-c", TAB, "bash", "flashnotify", *line),
        env=os.environ | {"PATH": f"{installed}:{os.environ['PATH']}"},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    shown, errors = await bash.communicate()
    assert (shown.decode().strip(), errors) == (completed, b"")


async def test_it_is_installed_for_this_person(tmp_path: Path) -> None:
    flashnotify = Path(sys.executable).with_name("flashnotify")
    bash = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"{flashnotify} --install-completion; true"),
        env=os.environ | {"HOME": str(tmp_path)},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await bash.communicate()
    assert b"bash completion installed" in said
    assert "flashnotify" in (tmp_path / ".bashrc").read_text()
