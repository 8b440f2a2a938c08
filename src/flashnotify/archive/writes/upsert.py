"""Inserts that change the row which is there already."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import TextClause, bindparam, text

from flashnotify.archive.models import Base


def upsert(
    model: type[Base],
    key: Sequence[str],
    *,
    add: Sequence[str] = (),
    replace: Sequence[str] = (),
) -> TextClause:
    """Return an insert that, where a row with this `key` exists, adds to it and replaces in it.

    As text, since SQLAlchemy has an upsert for each database only, though SQLite and PostgreSQL
    spell it alike.
    """
    table = model.__tablename__
    columns = model.__table__.columns
    names = [column.name for column in columns]
    changes = [f"{name} = {table}.{name} + excluded.{name}" for name in add]
    changes += [f"{name} = excluded.{name}" for name in replace]
    return text(
        f"INSERT INTO {table} ({', '.join(names)}) "  # noqa: S608  # our own names
        f"VALUES ({', '.join(f':{name}' for name in names)}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(changes)}"
    ).bindparams(*(bindparam(column.name, type_=column.type) for column in columns))
