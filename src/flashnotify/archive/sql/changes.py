"""Changes: statements, each with its place in a commit and a row of values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Executable, bindparam, text, update

from flashnotify.archive.models import Base

Row: TypeAlias = Mapping[str, Any]


class Stage(IntEnum):
    """The order of statements within a commit, which keeps references valid."""

    parents = 0
    deliveries = 1
    children = 2
    changes = 3
    expiries = 4
    totals = 5
    completions = 6
    # What waits leaves its old reason before the job changes, and joins the new one afterwards.
    leaving = 7
    endings = 8
    joining = 9


@dataclass(frozen=True, eq=False, slots=True)
class Statement:
    """A Core statement, run once for all of its rows in a commit (executemany).

    An update without values of its own sets the columns that its rows name. `amounts` name the
    columns that it adds to stored ones: rows that are equal in all other columns are written as one
    row with their sums.
    """

    clause: Executable
    stage: Stage
    amounts: tuple[str, ...] = ()


Change: TypeAlias = tuple[Statement, Row]


def update_row(
    model: type[Any], *where: ColumnElement[bool], stage: Stage = Stage.changes, **values: Any
) -> Statement:
    """Return an update of the row whose id is the parameter `of`, if it is as in `where`."""
    clause = update(model).where(model.id == bindparam("of"), *where)
    return Statement(clause.values(**values) if values else clause, stage)


def row_of(record: Any) -> dict[str, Any]:
    """Return the fields of a record by name, as a row of the table that has such columns."""
    names, values = _fields(record.__class__)
    return dict(zip(names, values(record), strict=True))


@cache
def _fields(record: type[Any]) -> tuple[Sequence[str], Callable[[Any], tuple[Any, ...]]]:
    names = [field.name for field in fields(record)]
    return names, attrgetter(*names)


def upsert(
    model: type[Base],
    stage: Stage,
    *,
    key: Sequence[str] = (),
    add: tuple[str, ...] = (),
    replace: Sequence[str] = (),
) -> Statement:
    """Return an insert that, if a row has the same `key`, adds to it, replaces in it or leaves it.

    The default key is the primary key. As text, since SQLAlchemy only has database-specific
    upserts, though SQLite and PostgreSQL share the syntax.
    """
    table = model.__tablename__
    columns = model.__table__.columns
    names = [column.name for column in columns]
    key = key or [column.name for column in columns if column.primary_key]
    changes = [f"{name} = {table}.{name} + excluded.{name}" for name in add]
    changes += [f"{name} = excluded.{name}" for name in replace]
    action = f"UPDATE SET {', '.join(changes)}" if changes else "NOTHING"
    clause = text(
        f"INSERT INTO {table} ({', '.join(names)}) "  # noqa: S608  # our own names
        f"VALUES ({', '.join(f':{name}' for name in names)}) "
        f"ON CONFLICT ({', '.join(key)}) DO {action}"
    )
    types = (bindparam(column.name, type_=column.type) for column in columns)
    return Statement(clause.bindparams(*types), stage, amounts=add)


def add_up(rows: list[Row], amounts: tuple[str, ...]) -> list[Row]:
    """Return one row, with the sums, for all rows that differ only in their amounts."""
    if not amounts or len(rows) == 1:
        return rows
    # Of one statement, so that they have the same columns.
    key_of = itemgetter(*(name for name in rows[0] if name not in amounts))
    sums: dict[Any, dict[str, Any]] = {}
    for row in rows:
        key = key_of(row)
        known = sums.get(key)
        if known is None:
            sums[key] = dict(row)
        else:
            for amount in amounts:
                known[amount] += row[amount]
    return list(sums.values())
