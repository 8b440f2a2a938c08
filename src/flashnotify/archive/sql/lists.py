"""Pages of lists, newest first."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, union_all

from flashnotify.archive.records import Page
from flashnotify.archive.sql.reading import Reading, recorded
from flashnotify.archive.sql.senders import first_of
from flashnotify.errors import FieldError, InvalidInput

T = TypeVar("T")

# Rows that a page of a filtered list looks at.
LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class Span:
    """The ids from `first` to the one before `before`.

    One bound each, since SQLite looks into an index with one, and at every row for another.
    """

    first: UUID | None
    before: UUID | None

    @classmethod
    def after(cls, cursor: str | None, since: int | None = None, until: int | None = None) -> Self:
        """Return the span that a list has left after a page, made from `since` before `until`."""
        ends = [] if until is None else [first_id(until)]
        if cursor is not None:
            ends.append(_decode(cursor))
        return cls(None if since is None else first_id(since), min(ends, default=None))

    def of(self, query: Select[Any]) -> Select[Any]:
        """Return `query`, which selects an `id`, for this span."""
        id = query.selected_columns.id
        if self.first is not None:
            query = query.where(id >= self.first)
        return query if self.before is None else query.where(id < self.before)


class Lists(Reading):
    """Reads pages of lists."""

    async def since_first(self, sender: str, span: Span) -> Span:
        """Return the part of a span that can have what belongs to notifications of a sender.

        A new sender's list thereby ends where that sender began, however much others sent before.
        """
        first: UUID | None = await self.value(first_of(sender))
        if first is None:
            return replace(span, before=UUID(int=0))
        return replace(span, first=first if span.first is None else max(first, span.first))

    async def merged_page(
        self,
        query: Select[Any],
        among: Sequence[Select[UUID]],
        limit: int,
        span: Span,
        record: Callable[[Row[Any]], T],
    ) -> Page[T]:
        """Return a page of what `query` finds for ids `among`, each of which an index has in order.

        The database merges them and stops at the limit, before it reads a row.
        """
        if not among:
            return Page([], None)
        merged = union_all(*map(span.of, among)) if len(among) > 1 else span.of(among[0])
        newest = merged.selected_columns.id.desc()
        found = merged.order_by(newest).limit(limit + 1)
        rows = await self.rows(_with_ids(query, found), {})
        return await _page(rows, limit, None, record)

    async def filtered_page(
        self,
        query: Select[Any],
        among: Select[UUID],
        wanted: Sequence[ColumnElement[bool]],
        limit: int,
        span: Span,
        record: Callable[[Row[Any]], T],
    ) -> Page[T]:
        """Return a page of what `query` finds for ids `among` whose rows are as `wanted`.

        An index has `among` in the list's order, but may hold any number of ids before one whose
        row is as wanted. So no more than `LOOKED_AT` are looked at: the page may have less than
        `limit` items, or none, and still a next one.
        """
        newest = among.selected_columns.id.desc()
        last: UUID | None = None
        if wanted:
            looked_at = span.of(among).order_by(newest).offset(LOOKED_AT - 1)
            last = await self.value(looked_at.limit(1))
        span = span if last is None else replace(span, first=last)
        found = span.of(among).where(*wanted).order_by(newest).limit(limit + 1)
        rows = await self.rows(_with_ids(query, found), {})
        return await _page(rows, limit, last, record)


def _with_ids(query: Select[Any], found: Any) -> Select[Any]:
    id = query.selected_columns.id
    return query.where(id.in_(found)).order_by(id.desc())


async def _page(
    rows: Sequence[Row[Any] | None], limit: int, last: UUID | None, record: Callable[[Row[Any]], T]
) -> Page[T]:
    """Return a page of `rows`, one more than its limit if there are. `last`: the last looked at."""
    shown = [row for row in rows[:limit] if row is not None]
    if len(rows) > limit and shown:
        last = shown[-1].id
    return Page(await recorded(shown, record), None if last is None else cursor_of(last))


def first_id(ms: int) -> UUID:
    """Return the least UUIDv7 of a millisecond since the epoch."""
    ms = min(max(ms, 0), (1 << 48) - 1)
    return UUID(int=(ms << 80) | (7 << 76) | (2 << 62))


def cursor_of(id: UUID) -> str:
    """Return the cursor of what follows an id in a list."""
    return base64.urlsafe_b64encode(id.bytes).decode().rstrip("=")


def _decode(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error):
        raise InvalidInput(
            [FieldError("/cursor", "invalid_cursor", "must be the `next` of the previous page")]
        ) from None
