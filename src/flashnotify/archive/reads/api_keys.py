"""Reads of API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, select

from flashnotify.archive.models import ApiKey as Table
from flashnotify.archive.reads.reading import Access, strings
from flashnotify.archive.records import ApiKey
from flashnotify.domain import Priority

_find = select(Table.__table__).where(Table.id == bindparam("of"))
_all = select(Table.__table__).order_by(Table.created_at, Table.id)


class ApiKeyReads(Access):
    """The reads of the port `ApiKeys`."""

    async def find(self, id: str) -> ApiKey | None:
        """Return a key. One whose scopes cannot be read has none."""
        row = await self._reader.one(_find, {"of": id})
        return _api_key(row) if row is not None else None

    async def all(self) -> Sequence[ApiKey]:
        return [_api_key(row) for row in await self._lists.all(_all, {})]


def _api_key(row: Row[Any]) -> ApiKey:
    try:
        scopes = strings(row.scopes)
    except ValueError:
        scopes = []
    known = {"scopes": frozenset(scopes), "max_priority": Priority(row.max_priority)}
    return ApiKey(**{**row._mapping, **known})
