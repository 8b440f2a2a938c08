"""Reads of deliveries and attempts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, bindparam, case, func, literal_column, select

from flashnotify.archive.models import Attempt as AttemptRow
from flashnotify.archive.models import Delivery as Table
from flashnotify.archive.models import JobRow
from flashnotify.archive.reads.reading import Access
from flashnotify.archive.records import Attempt, Delivery, DeliveryFilter, Page
from flashnotify.domain import AttemptOutcome, DeliveryStatus

# In the order of the record's fields: to unpack a row costs a third of asking for each column.
_columns = {field.name: Table.__table__.c[field.name] for field in fields(Delivery)}
_delivery_rows = select(*_columns.values())
_find = _delivery_rows.where(Table.id == bindparam("of"))
# The literal lets SQLite use the partial index.
_queued = _delivery_rows.where(
    Table.job_id == bindparam("job"), literal_column("status = 'queued'")
).order_by(Table.id)
_failed = (
    _delivery_rows.where(
        Table.notification_id == bindparam("notification"),
        Table.status == DeliveryStatus.failed,
        Table.id > bindparam("after"),
    )
    .order_by(Table.id)
    .limit(bindparam("most"))
)
# A queued delivery waits for its job too, if that waits longer.
_waits_longer = and_(
    Table.status == DeliveryStatus.queued, JobRow.turn.is_(None), JobRow.due_at > Table.due_at
)
_of_job = {"due_at": JobRow.due_at, "reason": func.coalesce(JobRow.reason, Table.reason)}
_with_job = select(
    *(
        case((_waits_longer, _of_job[name]), else_=column) if name in _of_job else column
        for name, column in _columns.items()
    )
).outerjoin(JobRow, JobRow.id == Table.job_id)


class DeliveryReads(Access):
    """The reads of the port `Deliveries`."""

    async def queued(self, job_id: UUID) -> Sequence[Delivery]:
        return [_delivery(row) for row in await self._reader.all(_queued, {"job": job_id})]

    async def find(self, id: UUID) -> Delivery | None:
        row = await self._reader.one(_find, {"of": id})
        return None if row is None else _delivery(row)

    async def page(
        self, notification_id: UUID, wanted: DeliveryFilter, *, limit: int, cursor: str | None
    ) -> Page[Delivery]:
        query = _with_job.where(Table.notification_id == notification_id)
        if wanted.status is not None:
            query = query.where(Table.status == wanted.status)
        if wanted.channel is not None:
            query = query.where(Table.channel == wanted.channel)
        if wanted.only is not None:
            query = query.where(Table.id.in_(wanted.only))
        if wanted.excluding:
            query = query.where(Table.id.not_in(wanted.excluding))
        return await self._lists.page(query, Table.id, limit, cursor, _delivery)

    async def failed(self, notification_id: UUID, after: UUID, limit: int) -> Sequence[Delivery]:
        values = {"notification": notification_id, "after": after, "most": limit}
        return [_delivery(row) for row in await self._reader.all(_failed, values)]

    async def attempts(self, ids: Collection[UUID]) -> Mapping[UUID, Sequence[Attempt]]:
        found: dict[UUID, list[Attempt]] = {id: [] for id in ids}
        query = (
            select(AttemptRow.__table__)
            .where(AttemptRow.delivery_id.in_(ids))
            .order_by(AttemptRow.delivery_id, AttemptRow.number)
        )
        for row in await self._lists.all(query, {}):
            found[row.delivery_id].append(_attempt(row))
        return found


def _delivery(row: Row[Any]) -> Delivery:
    values: tuple[Any, ...] = tuple(row)
    id, notification_id, job_id, channel, address, status, *rest = values
    return Delivery(id, notification_id, job_id, channel, address, DeliveryStatus(status), *rest)


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        at=row.at,
        duration=row.duration_ms / 1000,
        transport=row.transport,
        outcome=AttemptOutcome(row.outcome),
        answer=row.answer,
        reference=row.reference,
    )
