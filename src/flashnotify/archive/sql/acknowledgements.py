"""Acknowledgements, and the recipients who were asked for them, in SQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, or_, select
from sqlalchemy.orm import aliased

from flashnotify.archive.erasure_port import ERASED
from flashnotify.archive.models import Delivery
from flashnotify.archive.people_models import Acknowledgement as Table
from flashnotify.archive.people_records import Acknowledgement, AskedRecipient
from flashnotify.archive.records import Page
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.changes import Stage, row_of, upsert
from flashnotify.archive.sql.lists import Span, first_id
from flashnotify.archive.sql.reading import milliseconds_of

# The first one counts: another changes nothing.
ACKNOWLEDGE = upsert(Table, Stage.children, replace=("notification_id",))
_Earlier: Any = aliased(Delivery)
# Where the hyphens of an id are, and how many characters are between them.
_GROUPS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


class SqlAcknowledgements(Access):
    """Implements `Acknowledgements`."""

    async def add(self, acknowledgement: Acknowledgement) -> None:
        await self._writer.write((ACKNOWLEDGE, row_of(acknowledgement)))

    async def among(self, id: UUID, recipients: Collection[str]) -> Mapping[str, Acknowledgement]:
        query = select(Table.__table__).where(
            Table.notification_id == id, Table.recipient.in_(recipients)
        )
        rows = await self._reader.all(query, {})
        return {row.recipient: Acknowledgement(**row._mapping) for row in rows}

    async def count(self, id: UUID) -> int:
        query = select(func.count()).select_from(Table).where(Table.notification_id == id)
        number: int = await self._lists.value(query)
        return number

    async def asks(self, id: UUID, user_id: UUID) -> bool:
        query = select(Delivery.id).where(
            Delivery.user_id == user_id,
            Delivery.id >= first_id(milliseconds_of(id)),
            Delivery.notification_id == id,
        )
        return await self._reader.value(query.limit(1)) is not None

    async def page(
        self,
        id: UUID,
        schemes: Mapping[str, str],
        *,
        acknowledged: bool | None,
        limit: int,
        cursor: str | None,
    ) -> Page[AskedRecipient]:
        wanted = [_is_first(id)]
        if acknowledged is not None:
            has = _acknowledgement(id, schemes).exists()
            wanted.append(has if acknowledged else ~has)
        among = select(Delivery.id).where(Delivery.notification_id == id)
        return await self._lists.filtered_page(
            _asked(id, schemes), among, wanted, limit, Span.after(cursor), _recipient
        )

    async def silent(
        self, id: UUID, schemes: Mapping[str, str], after: UUID | None, limit: int
    ) -> Sequence[AskedRecipient]:
        query = _asked(id, schemes).where(
            Delivery.notification_id == id,
            Delivery.id > (after or UUID(int=0)),
            _is_first(id),
            Table.at.is_(None),
        )
        return await self._reader.records(query.order_by(Delivery.id).limit(limit), {}, _recipient)


def _asked(id: UUID, schemes: Mapping[str, str]) -> Select[Any]:
    uri = _uri(schemes)
    joined = and_(Table.notification_id == id, Table.recipient == uri)
    columns: tuple[Any, ...] = (Delivery.id, uri.label("uri"), Delivery.user_id)
    return select(*columns, Table.at, Table.channel).outerjoin(Table, joined)


def _acknowledgement(id: UUID, schemes: Mapping[str, str]) -> Select[Any]:
    return select(Table.recipient).where(
        Table.notification_id == id, Table.recipient == _uri(schemes)
    )


def _is_first(id: UUID) -> ColumnElement[bool]:
    """Return whether a delivery is the first one to its recipient, who was not erased.

    A person has one for each channel and device. Those of other notifications are passed over by
    time, for which the index of a person's deliveries is enough.
    """
    earlier = select(_Earlier.id).where(
        _Earlier.user_id == Delivery.user_id,
        _Earlier.id >= first_id(milliseconds_of(id)),
        _Earlier.id < Delivery.id,
        _Earlier.notification_id == id,
    )
    first = or_(Delivery.user_id.is_(None), ~earlier.exists())
    return and_(Delivery.address != ERASED, first)


def _uri(schemes: Mapping[str, str]) -> ColumnElement[str]:
    """Return the URI of a delivery's recipient. `schemes` are those of the channels."""
    digits = func.lower(func.hex(Delivery.user_id))
    user: Any = "user:" + func.substr(digits, *_GROUPS[0])
    for start, length in _GROUPS[1:]:
        user = user + "-" + func.substr(digits, start, length)
    names = [(Delivery.channel == name, f"{scheme}:") for name, scheme in schemes.items()]
    scheme: Any = case(*names, else_="") if names else ""
    return case((Delivery.user_id.is_not(None), user), else_=scheme + Delivery.address)


def _recipient(row: Row[Any]) -> AskedRecipient:
    return AskedRecipient(row.id, row.uri, row.user_id, row.at, row.channel)
