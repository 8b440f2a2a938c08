"""What each part of the archive reads and writes through."""

from typing import Any

from sqlalchemy import ColumnElement, func

from flashnotify.archive.sql.lists import Lists
from flashnotify.archive.sql.reading import Reading
from flashnotify.archive.writer import Writer


class Access:
    """What each part of the archive reads and writes through.

    Lists have connections of their own, so that many people looking never delay a delivery.
    """

    def __init__(self, reader: Reading, lists: Lists, writer: Writer) -> None:
        self._reader = reader
        self._lists = lists
        self._writer = writer


def matching(*wanted: tuple[Any, Any]) -> list[ColumnElement[bool]]:
    """Return the conditions that columns have the wanted values; None stands for any."""
    return [column == value for column, value in wanted if value is not None]


def having(column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
    """Return whether a column has a value, for rows that an index has already found.

    It is computed, so that SQLite takes no other index for it.
    """
    return func.coalesce(column, column) == value
