"""Tables of items that the API lists."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from flashnotify.cli.campus_time import campus_time
from flashnotify.cli.client import call
from flashnotify.cli.output import print_json, print_table

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
        page = asyncio.run(call("GET", self.path, params=given))
        if as_json:
            print_json(page)
        elif not page["items"]:
            print(self.empty)
        else:
            print_items(self.columns, page["items"])
            if page.get("next"):
                print("… and more: raise --limit (200 at most), or narrow the list.")


def print_items(columns: Columns, items: Sequence[Item]) -> None:
    """Print a table of items: a cell for each column, empty for None."""
    campus = campus_time()
    table = Table(*(heading.format(zone=campus.name) for heading in columns))
    for item in map(campus.readable, items):
        cells = (column(item) for column in columns.values())
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in cells))
    print_table(table)


def next_attempt(delivery: Item) -> str | None:
    """Return when a delivery is attempted next, and why not now."""
    at, waiting = delivery["next_attempt_at"], delivery["waiting"]
    return f"{at} ({waiting.replace('_', ' ')})" if at and waiting else at


def last_answer(delivery: Item) -> str | None:
    """Return why a delivery is not sent, or else the last answer of a provider."""
    attempts = delivery["attempts"]
    answer = attempts[-1]["answer"] if attempts else None
    return delivery["reason"] or answer
