"""docs/commands.md lists every command with every option, as the command line has them."""

import re
from pathlib import Path

from tests.docs.command_list import command_list
from tests.docs.generated_text import assert_generated

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
MARK = "<!-- From here on: tests/docs/command_list.py -->\n\n"


def test_the_list_matches_the_command_line() -> None:
    assert_generated(PAGE, MARK, command_list())


def test_every_command_is_mentioned_before_the_list() -> None:
    said, _, _ = PAGE.read_text().partition(MARK)
    commands = re.findall(r"^### `flashnotify ([a-z]+)", command_list(), re.MULTILINE)
    assert {name for name in commands if f"`{name}`" not in said} == set()


def test_every_option_has_help() -> None:
    assert "| None |" not in command_list()
