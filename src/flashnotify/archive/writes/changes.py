"""What a write is: a statement with its place in a commit, and a row of values for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

from sqlalchemy import Executable

Row: TypeAlias = Mapping[str, Any]


class Stage(IntEnum):
    """The order within a commit: what others refer to comes first, what a person orders last."""

    parents = 0
    deliveries = 1
    children = 2
    changes = 3
    totals = 4
    endings = 5
    orders = 6


@dataclass(frozen=True, eq=False, slots=True)
class Statement:
    """A Core statement. Rows of one statement are written as one executemany.

    `amounts` name columns that are added to what is there, so that rows which are equal in all
    others may be written as one row with their sum.
    """

    clause: Executable
    stage: Stage
    amounts: tuple[str, ...] = ()


Change: TypeAlias = tuple[Statement, Row]
