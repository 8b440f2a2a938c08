"""Lists of deliveries, each read from an index, in SQL."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, func, select, text

from flashnotify.archive.models import Delivery as Table
from flashnotify.archive.models import Id, JobRow
from flashnotify.archive.records import QUIET_HOURS, Delivery, DeliveryFilter, ListedDelivery, Page
from flashnotify.archive.sql.access import Access, having, matching
from flashnotify.archive.sql.lists import Span
from flashnotify.archive.sql.reading import known
from flashnotify.archive.sql.senders import filed_with
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
    (Table.reason == QUIET_HOURS, WaitReason.quiet_hours),
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
# The kinds, channels and statuses that deliveries have, with one look into an index for each: the
# next is behind all ids of the one before. Computed, since SQLite otherwise compares no more than
# one column with those of another row in an index.
_combinations = text("""
    WITH RECURSIVE firsts(id) AS (
        SELECT (
            SELECT id FROM deliveries WHERE kind > '' ORDER BY kind, channel, status, id LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT d.id FROM deliveries d
            WHERE (d.kind, d.channel, d.status, d.id)
                > (f.kind || '', f.channel || '', f.status || '', :greatest)
            ORDER BY d.kind, d.channel, d.status, d.id LIMIT 1
        )
        FROM firsts JOIN deliveries f ON f.id = firsts.id
    )
    SELECT kind, channel, status FROM firsts JOIN deliveries ON deliveries.id = firsts.id
""").bindparams(bindparam("greatest", UUID(int=2**128 - 1), Id))


class DeliveryLists(Access):
    """Implements the lists of `Deliveries`."""

    async def page(
        self, wanted: DeliveryFilter, *, limit: int, cursor: str | None
    ) -> Page[ListedDelivery]:
        span = Span.after(cursor, wanted.since, wanted.until)
        filters = {"kind": wanted.kind, "channel": wanted.channel, "status": wanted.status}
        few = _of_few(wanted)
        if few or wanted.sender is not None or not any(filters.values()):
            others = [having(COLUMNS[n], v) for n, v in filters.items() if v is not None]
            others += _excluding(wanted)
            if not wanted.people:
                others.append(Table.user_id.is_(None))
            if wanted.sender is not None:
                others.append(filed_with(Table.notification_id, sender=wanted.sender))
                span = await self._lists.since_first(wanted.sender, span)
            return await self._lists.filtered_page(
                _with_job, select(Table.id).where(*few), others, limit, span, _listed
            )
        among = await self._by_filters(wanted)
        return await self._lists.merged_page(_with_job, among, limit, span, _listed)

    async def _by_filters(self, wanted: DeliveryFilter) -> Sequence[Select[UUID]]:
        """Return a query for the ids of each of the wanted combinations that the archive holds.

        An index of (kind, channel, status) answers each in the list's order.
        """
        given = (wanted.kind, wanted.channel, wanted.status)
        held: Sequence[Any] = [given]
        if None in given:
            held = await self._lists.all(_combinations, {})
        ids = select(Table.id).where(*_excluding(wanted))
        return [
            ids.where(Table.kind == kind, Table.channel == channel, Table.status == status)
            for kind, channel, status in held
            if given in product((None, kind), (None, channel), (None, status))
        ]


def _of_few(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    """Return the conditions that an index answers and that few deliveries meet."""
    address = None if wanted.to is None else func.lower(wanted.to)
    few = matching(
        (func.lower(Table.address), address),
        (Table.notification_id, wanted.notification_id),
        (Table.user_id, wanted.user),
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
