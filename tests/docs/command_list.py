"""The commands of docs/commands.md, as the command line has them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from flashnotify.cli import app

__all__ = ["command_list"]


def command_list() -> str:
    """Return a section for each command in Markdown."""
    return "\n".join(_sections("flashnotify", typer.main.get_command(app)))


def _sections(prefix: str, group: Any) -> Iterator[str]:
    for name in group.list_commands(None):
        _, command, _ = group.resolve_command(None, [name])
        if hasattr(command, "list_commands"):
            yield from _sections(f"{prefix} {name}", command)
        else:
            yield _section(f"{prefix} {name}", command)


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = [name, *(p.name.upper() if p.required else f"[{p.name.upper()}]" for p in arguments)]
    paragraphs = [" ".join(line.split()) for line in command.help.split("\n\n")]
    lines = [f"### `{' '.join(usage)}`", "", *"\n\n".join(paragraphs).split("\n"), ""]
    if command.params:
        lines += ["| option | what | default |", "| --- | --- | --- |"]
        lines += [_row(parameter) for parameter in command.params]
        lines.append("")
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        option = parameter.name.upper()
    elif parameter.is_flag:
        option = parameter.opts[0]
    else:
        option = f"{parameter.opts[0]} …"
    if parameter.required:
        default = "required"
    else:
        has_one = parameter.default is not None and not getattr(parameter, "is_flag", False)
        given = parameter.default
        shown = " ".join(given) if isinstance(given, list) else given
        default = f"`{shown}`" if has_one else ""
    return f"| `{option}` | {parameter.help} | {default} |"


if __name__ == "__main__":
    sys.stdout.write(command_list())
