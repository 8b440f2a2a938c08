"""Lists of deliveries, each read from an index, in SQL."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, select, text

from flashnotify.archive.models import Delivery as Table
from flashnotify.archive.models import JobRow
from flashnotify.archive.records import Delivery, DeliveryFilter, ListedDelivery, Page
from flashnotify.archive.sql.access import Access, matching
from flashnotify.archive.sql.lists import Span
from flashnotify.archive.sql.reading import known
from flashnotify.domain import DeliveryStatus, WaitReason

# In the order of the record's fields: to unpack a row costs a third of asking for each column.
COLUMNS = {field.name: Table.__table__.c[field.name] for field in fields(Delivery)}
# A queued delivery waits for its job too, if that waits longer.
_waits_longer = and_(
    Table.status == DeliveryStatus.queued, JobRow.turn.is_(None), JobRow.due_at > Table.due_at
)
_of_job = {"due_at": JobRow.due_at, "reason": func.coalesce(JobRow.reason, Table.reason)}
_waiting = case(
    (Table.status != DeliveryStatus.queued, None),
    (_waits_longer, JobRow.waiting),
    (Table.attempts > 0, WaitReason.retrying),
    else_=WaitReason.due,
)
_with_job = select(
    *(
        case((_waits_longer, _of_job[name]), else_=column).label(name)
        if name in _of_job
        else column.label(name)
        for name, column in COLUMNS.items()
    ),
    _waiting.label("waiting"),
).outerjoin(JobRow, JobRow.id == Table.job_id)
# With one look into an index for each kind and for each channel of it.
_kinds_and_channels = text("""
    WITH RECURSIVE kinds(kind) AS (
        SELECT min(kind) FROM deliveries
        UNION ALL
        SELECT (SELECT min(d.kind) FROM deliveries d WHERE d.kind > kinds.kind)
        FROM kinds WHERE kind IS NOT NULL
    ), pairs(kind, channel) AS (
        SELECT kind, (SELECT min(d.channel) FROM deliveries d WHERE d.kind = kinds.kind)
        FROM kinds WHERE kind IS NOT NULL
        UNION ALL
        SELECT kind, (
            SELECT min(d.channel) FROM deliveries d
            WHERE d.kind = pairs.kind AND d.channel > pairs.channel
        )
        FROM pairs WHERE channel IS NOT NULL
    )
    SELECT kind, channel FROM pairs WHERE channel IS NOT NULL
""")


class DeliveryLists(Access):
    """Implements the lists of `Deliveries`."""

    async def page(
        self, wanted: DeliveryFilter, *, limit: int, cursor: str | None
    ) -> Page[ListedDelivery]:
        span = Span.after(cursor, wanted.since, wanted.until)
        filters = {"kind": wanted.kind, "channel": wanted.channel, "status": wanted.status}
        few = _of_few(wanted)
        if few or not any(filters.values()):
            # Computed, so that the database does not take another index for them.
            others = [COLUMNS[n].concat("") == v for n, v in filters.items() if v is not None]
            others += _excluding(wanted)
            return await self._lists.filtered_page(
                _with_job, select(Table.id).where(*few), others, limit, span, _listed
            )
        queries = await self._by_filters(wanted)
        return await self._lists.merged_page(queries, limit, span, _listed)

    async def _by_filters(self, wanted: DeliveryFilter) -> Sequence[Select[Any]]:
        """Return a query for each of the wanted combinations that the archive holds.

        An index of (kind, channel, status) answers each in the list's order.
        """
        query = _with_job.where(*_excluding(wanted))
        statuses = [wanted.status] if wanted.status else list(DeliveryStatus)
        return [
            query.where(Table.kind == kind, Table.channel == channel, Table.status == status)
            for kind, channel in await self._kinds_and_channels(wanted)
            for status in statuses
        ]

    async def _kinds_and_channels(self, wanted: DeliveryFilter) -> Sequence[tuple[str, str]]:
        """Return the wanted pairs of kind and channel that any delivery has."""
        if wanted.kind is not None and wanted.channel is not None:
            return [(wanted.kind, wanted.channel)]
        return [
            (row.kind, row.channel)
            for row in await self._lists.all(_kinds_and_channels, {})
            if wanted.kind in (None, row.kind) and wanted.channel in (None, row.channel)
        ]


def _of_few(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    """Return the conditions that an index answers and that few deliveries meet."""
    address = None if wanted.to is None else func.lower(wanted.to)
    few = matching(
        (func.lower(Table.address), address), (Table.notification_id, wanted.notification_id)
    )
    return few if wanted.only is None else [*few, Table.id.in_(wanted.only)]


def _excluding(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    return [Table.id.not_in(wanted.excluding)] if wanted.excluding else []


def delivery_of(row: Row[Any]) -> Delivery:
    """Return the delivery of a row with `COLUMNS`."""
    values: tuple[Any, ...] = tuple(row)
    id, notification_id, job_id, kind, channel, address, status, *rest = values
    of = (id, notification_id, job_id, kind, channel, address)
    return Delivery(*of, DeliveryStatus(status), *rest)


def _listed(row: Row[Any]) -> ListedDelivery:
    values = {**row._mapping, "status": DeliveryStatus(row.status)}
    values["waiting"] = row.waiting and known(WaitReason, row.waiting, WaitReason.due)
    return ListedDelivery(**values)
