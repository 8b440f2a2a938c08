"""Tables of items: on a narrow terminal, each item is a few lines."""

import io
import sys
from operator import itemgetter
from uuid import uuid4

import pytest

from flashnotify.cli.tables import Item, last_answer, next_attempt, print_items

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


def delivery(status: str, waiting: str | None, reason: str | None, at: str | None) -> Item:
    return {
        "status": status,
        "waiting": waiting,
        "reason": reason,
        "next_attempt_at": at,
        "attempts": [{"answer": "535 wrong password"}],
    }


def test_a_delivery_that_waits_for_a_transport_says_where_to_look() -> None:
    waits = delivery("queued", "breaker_open", "waits for it to work again", "08:00:00")
    assert last_answer(waits) == "waits for it to work again; see flashnotify channels"
    assert next_attempt(waits) == "08:00:00 (breaker open)"


def test_a_delivery_that_is_being_sent_says_so() -> None:
    assert next_attempt(delivery("sending", None, None, None)) == "now"
    assert last_answer(delivery("sending", None, None, None)) == "535 wrong password"
