"""Tables of items: on a narrow terminal, each item is a few lines."""

import io
import sys
from operator import itemgetter
from uuid import uuid4

import pytest

from flashnotify.cli.tables import print_items

ITEM = {"id": str(uuid4()), "title": "Room [changed]", "ended_at": None}
COLUMNS = {
    "id": itemgetter("id"),
    "ended ({zone})": itemgetter("ended_at"),
    "title": itemgetter("title"),
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, width: int) -> str:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FLASHNOTIFY_TIMEZONE", "Europe/Paris")
    print_items(COLUMNS, [ITEM, ITEM])
    return terminal.getvalue()


@pytest.mark.parametrize("width", [85, 75])
def test_a_table_shows_ids_whole(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    table = shown(monkeypatch, width)
    assert table.count(f"│ {ITEM['id']} │") == 2
    assert "(Europe/Paris)" in table


def test_on_a_narrow_terminal_an_item_is_a_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    id = f"{'id':20}  {ITEM['id']}"
    title = f"{'title':20}  Room [changed]"
    lines = shown(monkeypatch, 50).splitlines()
    assert lines == [id, "ended (Europe/Paris)", title, ""] * 2
