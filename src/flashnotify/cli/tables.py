"""Tables on standard output: as wide as the terminal, or uncut if there is none."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

# Wider than any row: output piped to another program must not be cut.
_UNLIMITED = 1000


def print_table(table: Table) -> None:
    """Print a table on standard output."""
    Console(width=None if sys.stdout.isatty() else _UNLIMITED).print(table)
