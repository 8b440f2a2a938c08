"""The changes that make statistics be kept by longer spans of time."""

from typing import TypeAlias

from sqlalchemy import BigInteger, ColumnElement, bindparam, delete, text

from flashnotify.archive.sql.changes import Change, Stage, Statement
from flashnotify.archive.statistics_models import Latency, Total

Counted: TypeAlias = type[Total] | type[Latency]


def _add_up(model: Counted, *amounts: str) -> Statement:
    """Return the insert, as text since SQLAlchemy only has database-specific upserts."""
    table = model.__tablename__
    names = [column.name for column in model.__table__.columns]
    key = ", ".join(name for name in names if name not in ("since", *amounts))
    sums = ", ".join(f"sum({name})" for name in amounts)
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in amounts)
    clause = text(
        f"INSERT INTO {table} (since, {key}, {', '.join(amounts)}) "  # noqa: S608  # our own names
        f"SELECT :start, {key}, {sums} FROM {table} "
        f"WHERE since > :start AND since < :end GROUP BY {key} "
        f"ON CONFLICT (since, {key}) DO UPDATE SET {added}"
    )
    numbers = (bindparam(name, type_=BigInteger) for name in ("start", "end"))
    return Statement(clause.bindparams(*numbers), Stage.endings)


def _remove(model: Counted) -> Statement:
    which = (model.since > bindparam("start"), model.since < bindparam("end"))
    return Statement(delete(model).where(*which), Stage.joining)


# After all that the same commit counts, and one after the other.
ADD_TOTALS_UP, REMOVE_TOTALS = _add_up(Total, "number"), _remove(Total)
ADD_LATENCIES_UP, REMOVE_LATENCIES = _add_up(Latency, "attempts", "failures"), _remove(Latency)


def is_finer(model: Counted, span: int) -> ColumnElement[bool]:
    """Return whether a row stands for less than a span."""
    return model.since % span != 0


def coarsen(model: Counted, start: int, span: int) -> list[Change]:
    """Return the changes that add up all rows of a span, in its first row."""
    add_up, remove = (
        (ADD_TOTALS_UP, REMOVE_TOTALS) if model is Total else (ADD_LATENCIES_UP, REMOVE_LATENCIES)
    )
    row = {"start": start, "end": start + span}
    return [(add_up, row), (remove, row)]
