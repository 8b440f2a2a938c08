"""What the pages name exists: settings, commands and their options, paths and metrics."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families

from flashnotify import app
from flashnotify.cli import app as command_line
from flashnotify.meta.registry import CONFIGS
from tests.support.running import Running

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


@page
def test_the_settings_exist(page: Path) -> None:
    assert app.DECLARATIONS  # importing the composition root declares every config
    known = {setting.env for config in CONFIGS.values() for setting in config.settings}
    named = set(re.findall(r"\bFLASHNOTIFY_[A-Z_]*[A-Z]\b(?![_…])", page.read_text()))
    assert named - known == set()


@page
def test_the_commands_and_their_options_exist(page: Path) -> None:
    for line in invocations(page.read_text()):
        command: Any = typer.main.get_command(command_line)
        rest = shlex.split(line, comments=True)
        while rest and hasattr(command, "list_commands") and not rest[0].startswith("-"):
            assert rest[0] in command.list_commands(None), line
            _, command, rest = command.resolve_command(None, rest)
        known = {option for parameter in command.params for option in parameter.opts}
        given = {word.partition("=")[0] for word in rest if re.match(r"--[a-z]", word)}
        assert given - known - {"--help", "--version"} == set(), line


def invocations(text: str) -> Iterator[str]:
    """Yield what follows `flashnotify` where a page runs it."""
    code = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in code for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`(?:\.venv/bin/)?(flashnotify [a-z][^`]*)`", text)
    for line in (line.replace("docker exec flashnotify ", "") for line in (*lines, *inline)):
        for found in re.finditer(
            r"(?:^|[\s(]|bin/)flashnotify ((?:[a-z]+|--version)[^|;&)<>]*)", line
        ):
            if not found[1].startswith(("/", ".")) and "COMMAND" not in found[1]:
                yield found[1].replace("'", "").replace('"', "").replace("…", "x")


async def test_the_paths_and_metrics_exist(service: Running) -> None:
    document: dict[str, Any] = (await service.anonymous.get("/openapi.json")).json()
    paths = [re.sub(r"\{\w+\}", "[^/]+", path) for path in document["paths"]]
    exposed = (await service.anonymous.get("/metrics")).text
    metrics = {family.name for family in text_string_to_metric_families(exposed)}
    for text in map(Path.read_text, PAGES):
        named = set(re.findall(r"(?<![\w./])/v1/[\w/{}<>-]*\w\}?", text))
        assert {n for n in named if not any(re.fullmatch(path, n) for path in paths)} == set()
        named = set(re.findall(r"\bflashnotify_[a-z_]+[a-z]\b", text))
        assert {re.sub(r"_(total|bucket|sum|count)$", "", n) for n in named} - metrics == set()
