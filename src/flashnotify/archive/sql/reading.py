"""Queries, over connections that cannot write, and pages of lists."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from operator import itemgetter
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, CursorResult, Executable, Row, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import InstrumentedAttribute

from flashnotify.errors import Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
D = TypeVar("D")

# Rows made into records before other tasks get the event loop: one may cost 20 µs.
_STEP = 100


class Reading:
    """Runs queries, each on a connection of a pool. Every read may raise `Unavailable`.

    A row that is damaged is logged and left out: it never fails the others.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reading: set[asyncio.Task[Sequence[Row[Any] | None]]] = set()

    async def close(self) -> None:
        """Close the connections once the reads under way are done."""
        await asyncio.gather(*self._reading, return_exceptions=True)
        await self._engine.dispose()

    async def all(self, query: Executable, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
        """Return all rows that `query` finds."""
        return [row for row in await self.rows(query, values) if row is not None]

    async def rows(self, query: Executable, values: Mapping[str, Any]) -> Sequence[Row[Any] | None]:
        """Return all rows that `query` finds; None in the place of each that is damaged."""
        # A read goes on when its caller is cancelled: its thread would otherwise hold a result that
        # nobody collects.
        reading = asyncio.create_task(self._fetch(query, values))
        self._reading.add(reading)
        reading.add_done_callback(self._read)
        return await asyncio.shield(reading)

    async def records(
        self, query: Executable, values: Mapping[str, Any], record: Callable[[Row[Any]], T]
    ) -> list[T]:
        """Return all rows that `query` finds, each as `record`."""
        return await recorded(await self.rows(query, values), record)

    async def one(
        self, query: Executable, values: Mapping[str, Any], record: Callable[[Row[Any]], T]
    ) -> T | None:
        """Return the first row that `query` finds, as `record`."""
        return next(iter(await self.records(query, values, record)), None)

    async def value(self, query: Executable) -> Any:
        """Return the first value of the first row that `query` finds; None without a row."""
        return await self.one(query, {}, itemgetter(0))

    async def distinct(self, column: InstrumentedAttribute[Any]) -> Sequence[str]:
        """Return the values of an indexed text column, with one look into its index for each."""
        found: list[str] = []
        query = select(func.min(column))
        value = await self.value(query)
        # A damaged text comes back changed, and might be found again.
        while value is not None and value not in found:
            found.append(value)
            value = await self.value(query.where(column > value))
        return found

    async def _fetch(
        self, query: Executable, values: Mapping[str, Any]
    ) -> Sequence[Row[Any] | None]:
        try:
            async with self._engine.connect() as connection:
                result: CursorResult[Any] = await connection.execute(query, values)
                try:
                    return result.all()
                except (ValueError, TypeError):
                    return list(_each(await connection.execute(query, values)))
        except PoolTimeout:
            raise Unavailable("Too many reads are under way.", retry_after=5) from None
        except DBAPIError as error:
            raise _unreadable(str(error.orig)) from error
        except (OSError, RuntimeError) as error:
            # A new connection takes a thread.
            raise _unreadable(str(error)) from error

    def _read(self, reading: asyncio.Task[Sequence[Row[Any] | None]]) -> None:
        self._reading.discard(reading)
        if not reading.cancelled():
            reading.exception()


def milliseconds_of(id: UUID) -> int:
    """Return when a UUIDv7 was made, in milliseconds since the epoch."""
    return id.int >> 80


def is_damaged(id: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Return whether an id cannot be read. On SQLite: elsewhere no column holds another type."""
    return or_(func.typeof(id) != "blob", func.length(id) != 16)


def strings(text: str) -> list[str]:
    """Return the strings of a JSON array. Raise `ValueError` if the text is not one."""
    values = json.loads(text)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("not an array of strings")
    return values


async def recorded(rows: Sequence[Row[Any] | None], record: Callable[[Row[Any]], T]) -> list[T]:
    """Return the rows that can be understood, each as `record`; log the ids of the others."""
    found: list[T] = []
    for number, row in enumerate(rows, 1):
        if number % _STEP == 0:
            await asyncio.sleep(0)
        if row is not None:
            try:
                found.append(record(row))
            except (ValueError, TypeError) as error:
                # A status that this version does not know, for example.
                log.error("archive.row_damaged", id=str(row[0]), error=type(error).__name__)
    return found


def known(values: type[E], stored: Any, default: D) -> E | D:
    """Return a member of an enumeration, or `default` for what is none."""
    try:
        return values(stored)
    except ValueError:
        return default


def _each(result: CursorResult[Any]) -> Iterator[Row[Any] | None]:
    """Yield the rows of a result one by one, and None for each with a value of a wrong type."""
    while True:
        try:
            row = result.fetchone()
        except (ValueError, TypeError) as error:
            log.error("archive.row_damaged", id="unreadable", error=str(error))
            yield None
        else:
            if row is None:
                return
            yield row


def _unreadable(reason: str) -> Unavailable:
    log.error("archive.read_failed", error=reason)
    return Unavailable("The archive cannot be read now.", retry_after=5)
