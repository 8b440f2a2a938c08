"""How the archive is read: what every read has in common, and lists by the page."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, Executable, Row, Select, literal_column, select
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from flashnotify.errors import FieldError, InvalidInput, Unavailable


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, newest first. `next` is the cursor of the page that follows, if any."""

    items: Sequence[Row[Any]]
    next: str | None


class Reading:
    """Runs queries, each on a connection of its own that cannot write."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reading: set[asyncio.Task[Sequence[Row[Any]]]] = set()

    async def close(self) -> None:
        """Close the connections, once what is being read is read."""
        await asyncio.gather(*self._reading, return_exceptions=True)
        await self._engine.dispose()

    async def ping(self) -> None:
        """Read something."""
        await self.one(select(literal_column("1")), {})

    async def page(
        self, query: Select[Any], id_column: Any, limit: int, cursor: str | None
    ) -> Page:
        """One page of what `query` finds, newest first, after `cursor`.

        Raises:
            InvalidInput: the cursor is none.
        """
        if cursor is not None:
            query = query.where(id_column < _decode(cursor))
        rows = await self.all(query.order_by(id_column.desc()).limit(limit + 1), {})
        more = len(rows) > limit
        rows = rows[:limit]
        return Page(rows, _encode(rows[-1].id) if more else None)

    async def all(self, query: Executable, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
        """All rows that `query` finds."""
        # A cancelled caller must not break off its read: the connection's thread would be left
        # with an answer for nobody.
        reading = asyncio.create_task(self._fetch(query, values))
        self._reading.add(reading)
        reading.add_done_callback(self._read)
        return await asyncio.shield(reading)

    async def one(self, query: Executable, values: Mapping[str, Any]) -> Row[Any] | None:
        """The first row that `query` finds, if there is one."""
        return next(iter(await self.all(query, values)), None)

    async def _fetch(self, query: Executable, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
        try:
            async with self._engine.connect() as connection:
                result: CursorResult[Any] = await connection.execute(query, values)
                return result.all()
        except PoolTimeout:
            raise Unavailable("Too much is read at the moment.", retry_after=5) from None

    def _read(self, reading: asyncio.Task[Sequence[Row[Any]]]) -> None:
        self._reading.discard(reading)
        if not reading.cancelled():
            reading.exception()


def _encode(id: UUID) -> str:
    return base64.urlsafe_b64encode(id.bytes).decode().rstrip("=")


def _decode(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error):
        raise InvalidInput(
            [FieldError("/cursor", "is not a cursor; use the `next` of the page before")]
        ) from None
