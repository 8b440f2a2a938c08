"""Tables of items that the API lists."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from flashnotify.cli.campus_time import campus_time
from flashnotify.cli.client import list_page
from flashnotify.cli.output import print_json

Item = dict[str, Any]
# A cell of each item by the column's heading, in which `{zone}` is the time zone of the cells.
Columns = Mapping[str, Callable[[Item], object]]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of the API, what a person sees of each item, and what an empty list means."""

    path: str
    columns: Columns
    empty: str

    def show(self, *, as_json: bool, **parameters: object) -> None:
        """Print one page of the list. Parameters that are None are left out."""
        given = {name: value for name, value in parameters.items() if value is not None}
        page = list_page(self.path, given)
        if as_json:
            print_json(page)
        elif not page["items"]:
            print(self.empty)
        else:
            print_items(self.columns, page["items"])
            if page.get("next"):
                print("… and more: raise --limit (200 at most), or narrow the list.")


def print_items(columns: Columns, items: Sequence[Item]) -> None:
    """Print a table of items: a cell for each column, empty for None.

    On a terminal too narrow for it, print each item as lines: nothing is cut, so that ids can be
    copied.
    """
    campus = campus_time()
    headings = [heading.format(zone=campus.name) for heading in columns]
    rows = [
        [_text(column(item)) for column in columns.values()] for item in map(campus.readable, items)
    ]
    first, *others = headings
    table = Table(Column(first, no_wrap=True), *(Column(h, overflow="fold") for h in others))
    for row in rows:
        table.add_row(*map(escape, row))
    # Wider than any row without a terminal: output piped to another program must not be cut.
    console = Console(width=None if sys.stdout.isatty() else 1000)
    if _narrowest([headings, *rows]) <= console.width:
        console.print(table)
    else:
        _print_lines(headings, rows)


def _narrowest(rows: Sequence[Sequence[str]]) -> int:
    """Return the width of a table in which only spaces become line breaks."""
    return 1 + sum(
        3 + max(len(word) for cell in column for word in cell.split() or [""])
        for column in zip(*rows, strict=True)
    )


def _print_lines(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    width = max(map(len, headings))
    for row in rows:
        for heading, cell in zip(headings, row, strict=True):
            print(f"{heading:<{width}}  {cell}".rstrip())
        print()


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)


def next_attempt(delivery: Item) -> str | None:
    """Return when a delivery is attempted next, and why not now."""
    if delivery["status"] == "sending":
        return "now"
    at, waiting = delivery["next_attempt_at"], delivery["waiting"]
    return f"{at} ({waiting.replace('_', ' ')})" if at and waiting else at


def last_answer(delivery: Item) -> str | None:
    """Return why a delivery is not sent, or else the last answer of a provider."""
    attempts = delivery["attempts"]
    answer = attempts[-1]["answer"] if attempts else None
    hint = "; see flashnotify channels" * (delivery["waiting"] == "breaker_open")
    return f"{delivery['reason'] or answer or ''}{hint}" or None
