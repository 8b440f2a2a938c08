"""How tables are printed: as wide as the terminal, and whole where none is."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

# Wider than any row: what is piped to another program must not lose its end.
_WHOLE = 1000


def print_table(table: Table) -> None:
    """Print a table on standard output."""
    Console(width=None if sys.stdout.isatty() else _WHOLE).print(table)
