"""Deliveries and attempts, in SQL."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)

from flashnotify.archive import records
from flashnotify.archive.models import Attempt as AttemptRow
from flashnotify.archive.models import Count, JobRow, OutboxMessage
from flashnotify.archive.models import Delivery as Table
from flashnotify.archive.models import Notification as NotificationRow
from flashnotify.archive.records import Delivery, Finish, Notification
from flashnotify.archive.sql.access import Access, made_within, matching
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, update_row
from flashnotify.archive.sql.devices import remove_device
from flashnotify.archive.sql.statistics import count, latency, total
from flashnotify.archive.write_lanes import WriteLane
from flashnotify.domain import AttemptOutcome, DeliveryStatus, NotificationStatus, Outcome

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
        case((_waits_longer, _of_job[name]), else_=column).label(name)
        if name in _of_job
        else column.label(name)
        for name, column in _columns.items()
    )
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

# What an attempt, or the end, changes in a delivery.
_CHANGED = ("status", "reason", "attempts", "first_attempt_at", "due_at")
# The reason of deliveries that were too late to be sent.
EXPIRED = "expired"
ADD_DELIVERY = Statement(insert(Table), Stage.deliveries)
ADD_ATTEMPT = Statement(insert(AttemptRow), Stage.children)
ADD_OUTBOX_MESSAGE = Statement(insert(OutboxMessage), Stage.children)
# A final status changes only forward: a result that comes late finds no queued row to change.
CHANGE_QUEUED = update_row(Table, Table.status == "queued")
CHANGE_SENT = update_row(Table, Table.status == "sent")
# Its time ran out before all of its deliveries were done. The last of them to end completes it.
# In a stage of its own: after the slice of the fan-out that opens it, before the end of the last.
MARK_EXPIRED = update_row(
    NotificationRow, NotificationRow.status == "sending", stage=Stage.expiries
)
_last = NotificationRow.pending <= bindparam("ended")


def _any(*statuses: DeliveryStatus) -> ColumnElement[bool]:
    """Return whether a notification has deliveries in some of the statuses, by its counts."""
    counted = or_(*(Count.status == status for status in statuses))
    return exists().where(
        Count.notification_id == NotificationRow.id, counted, Count.deliveries > 0
    )


_any_sent = _any(DeliveryStatus.sent, DeliveryStatus.delivered)
_any_failed = _any(DeliveryStatus.failed)
_outcome = case(
    (_any_sent & _any_failed, Outcome.some_failed),
    (_any_sent, Outcome.all_sent),
    (_any_failed, Outcome.all_failed),
    else_=Outcome.none,
)
# The last delivery to end completes its notification, after the counts of the same commit.
END_SOME = Statement(
    update(NotificationRow)
    .where(NotificationRow.id == bindparam("of"))
    .values(
        updated_at=bindparam("now"),
        pending=NotificationRow.pending - bindparam("ended"),
        status=case(
            ((NotificationRow.status == "sending") & _last, "completed"),
            else_=NotificationRow.status,
        ),
        completed_at=case((_last, bindparam("now")), else_=NotificationRow.completed_at),
        outcome=case((_last, _outcome), else_=NotificationRow.outcome),
    ),
    Stage.completions,
    amounts=("ended",),
)


class SqlDeliveries(Access):
    """Implements `Deliveries`."""

    async def queued(self, job_id: UUID) -> Sequence[Delivery]:
        return [_delivery(row) for row in await self._reader.all(_queued, {"job": job_id})]

    async def find(self, id: UUID) -> Delivery | None:
        return await self._reader.one(_find, {"of": id}, _delivery)

    async def page(
        self, wanted: records.DeliveryFilter, *, limit: int, cursor: str | None
    ) -> records.Page[Delivery]:
        query = made_within(_with_job, Table.id, wanted.since, wanted.until)
        if wanted.excluding:
            query = query.where(Table.id.not_in(wanted.excluding))
        queries = await self._by_index(query, wanted)
        return await self._lists.merged_page(queries, limit, cursor, _delivery)

    async def _by_index(
        self, query: Select[Any], wanted: records.DeliveryFilter
    ) -> Sequence[Select[Any]]:
        """Return queries for what is wanted, each of which one index answers in the list's order.

        Recipients, notifications and ids find few rows, of which the other filters pick some. An
        index of (kind, channel, status) answers these: one query for each of the wanted
        combinations that the archive holds.
        """
        if wanted.to is not None:
            query = query.where(func.lower(Table.address) == func.lower(wanted.to))
        if wanted.notification_id is not None:
            query = query.where(Table.notification_id == wanted.notification_id)
        if wanted.only is not None:
            query = query.where(Table.id.in_(wanted.only))
        filters = {"kind": wanted.kind, "channel": wanted.channel, "status": wanted.status}
        if (wanted.to, wanted.notification_id, wanted.only) != (None, None, None):
            # Concatenated, so that the database does not take the other index for them.
            picked = ((_columns[name].concat(""), value) for name, value in filters.items())
            return [matching(query, *picked)]
        if not any(filters.values()):
            return [query]
        statuses = [wanted.status] if wanted.status else list(DeliveryStatus)
        return [
            query.where(Table.kind == kind, Table.channel == channel, Table.status == status)
            for kind, channel in await self._kinds_and_channels(wanted)
            for status in statuses
        ]

    async def _kinds_and_channels(
        self, wanted: records.DeliveryFilter
    ) -> Sequence[tuple[str, str]]:
        """Return the wanted pairs of kind and channel that any delivery has."""
        if wanted.kind is not None and wanted.channel is not None:
            return [(wanted.kind, wanted.channel)]
        return [
            (row.kind, row.channel)
            for row in await self._lists.all(_kinds_and_channels, {})
            if wanted.kind in (None, row.kind) and wanted.channel in (None, row.channel)
        ]

    async def failed(self, id: UUID, after: UUID, limit: int) -> Sequence[Delivery]:
        values = {"notification": id, "after": after, "most": limit}
        return [_delivery(row) for row in await self._reader.all(_failed, values)]

    async def attempts(self, ids: Collection[UUID]) -> Mapping[UUID, Sequence[records.Attempt]]:
        found: dict[UUID, list[records.Attempt]] = {id: [] for id in ids}
        query = (
            select(AttemptRow.__table__)
            .where(AttemptRow.delivery_id.in_(ids))
            .order_by(AttemptRow.delivery_id, AttemptRow.number)
        )
        for row in await self._lists.all(query, {}):
            found[row.delivery_id].append(_attempt(row))
        return found

    def record(
        self, notification: Notification, result: records.DeliveryResult, now: int
    ) -> asyncio.Future[None]:
        delivery, attempts, disposition = result.delivery, result.attempts, result.disposition
        changes = _attempts(delivery, attempts)
        if attempts:
            number = delivery.attempts + len(attempts)
            first = delivery.first_attempt_at or attempts[0].at
            delivery = replace(delivery, attempts=number, first_attempt_at=first)
        if isinstance(disposition, records.Reschedule):
            waiting = replace(delivery, due_at=disposition.due_at, reason=disposition.reason)
            changes.append(_change(waiting, now))
        else:
            changes += _end([delivery], notification.kind, disposition, now)
        if result.captured is not None:
            changes.append((ADD_OUTBOX_MESSAGE, row_of(result.captured)))
        return self._writer.submit(changes, WriteLane.of(notification.priority))

    async def finish(
        self, notification: Notification, deliveries: Sequence[Delivery], end: Finish, now: int
    ) -> None:
        changes = _end(deliveries, notification.kind, end, now)
        if end.reason == EXPIRED:
            changes.append(mark_expired(notification.id, now))
        await self._writer.write(*changes, lane=WriteLane.of(notification.priority))

    async def confirm(self, delivery: Delivery, kind: str, now: int) -> None:
        id, channel = delivery.notification_id, delivery.channel
        delivered = DeliveryStatus.delivered
        row = {"of": delivery.id, "status": delivered, "reason": None, "updated_at": now}
        await self._writer.write(
            (CHANGE_SENT, row),
            count(id, channel, DeliveryStatus.sent, -1),
            count(id, channel, delivered, 1),
            total(now, kind, channel, delivered),
            lane=WriteLane.bulk,
        )

    async def note_undeliverable(self, id: UUID, reason: str, now: int) -> None:
        row = {"of": id, "status": DeliveryStatus.sent, "reason": reason, "updated_at": now}
        await self._writer.write((CHANGE_SENT, row), lane=WriteLane.bulk)


def _delivery(row: Row[Any]) -> Delivery:
    values: tuple[Any, ...] = tuple(row)
    id, notification_id, job_id, kind, channel, address, status, *rest = values
    of = (id, notification_id, job_id, kind, channel, address)
    return Delivery(*of, DeliveryStatus(status), *rest)


def _attempt(row: Row[Any]) -> records.Attempt:
    duration, outcome = row.duration_ms / 1000, AttemptOutcome(row.outcome)
    return records.Attempt(row.at, duration, row.transport, outcome, row.answer, row.reference)


def mark_expired(notification_id: UUID, now: int) -> Change:
    """Return the change that marks a notification as expired."""
    row = {"of": notification_id, "status": NotificationStatus.expired, "updated_at": now}
    return MARK_EXPIRED, row


def end_some(notification_id: UUID, ended: int, now: int) -> Change:
    """Return the change that `ended` deliveries, or the fan-out, of a notification have ended."""
    return END_SOME, {"of": notification_id, "ended": ended, "now": now}


def _attempts(delivery: Delivery, attempts: Sequence[records.Attempt]) -> list[Change]:
    changes: list[Change] = []
    for number, attempt in enumerate(attempts, delivery.attempts + 1):
        row = row_of(attempt) | {"delivery_id": delivery.id, "number": number}
        row["duration_ms"] = round(row.pop("duration") * 1000, 3)
        tracked = row.pop("tracked")
        changes.append((ADD_ATTEMPT, row))
        if tracked:
            changes.append(latency(delivery.channel, attempt))
    return changes


def _change(delivery: Delivery, now: int) -> Change:
    row = {name: getattr(delivery, name) for name in _CHANGED}
    return CHANGE_QUEUED, row | {"of": delivery.id, "updated_at": now}


def _end(deliveries: Sequence[Delivery], kind: str, end: Finish, now: int) -> list[Change]:
    changes = [_change(replace(d, status=end.status, reason=end.reason), now) for d in deliveries]
    for (id, channel), number in Counter(
        (d.notification_id, d.channel) for d in deliveries
    ).items():
        changes += (
            count(id, channel, DeliveryStatus.queued, -number),
            count(id, channel, end.status, number),
            total(now, kind, channel, end.status, number),
            end_some(id, number, now),
        )
    if end.drop_device is not None:
        changes.append(remove_device(end.drop_device))
    return changes
