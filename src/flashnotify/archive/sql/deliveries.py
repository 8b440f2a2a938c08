"""Deliveries and attempts, in SQL."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import (
    ColumnElement,
    Row,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from flashnotify.archive import records
from flashnotify.archive.models import Attempt as AttemptRow
from flashnotify.archive.models import Count, JobRow, OutboxMessage
from flashnotify.archive.models import Delivery as Table
from flashnotify.archive.models import Notification as NotificationRow
from flashnotify.archive.people_models import InboxMessage as InboxRow
from flashnotify.archive.people_records import InboxMessage
from flashnotify.archive.records import Delivery, Finish, Notification
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, update_row
from flashnotify.archive.sql.delivery_lists import COLUMNS, DeliveryLists, delivery_of
from flashnotify.archive.sql.devices import remove_device
from flashnotify.archive.sql.jobs import finish_job
from flashnotify.archive.sql.reading import is_damaged, recorded
from flashnotify.archive.sql.refused_addresses import refused_changes
from flashnotify.archive.sql.statistics import count, latency, total
from flashnotify.archive.sql.waiting import end_waiting
from flashnotify.archive.write_lanes import WriteLane
from flashnotify.domain import AttemptOutcome, DeliveryStatus, NotificationStatus, Outcome

log = structlog.get_logger(__name__)

_delivery_rows = select(*COLUMNS.values())
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
# The reason of deliveries that were too late to be sent.
EXPIRED = "expired"
# Ids that sort as those of its job; what it had as an attempt is lost.
_anew: ColumnElement[Any] = literal_column("CAST(substr(job_id, 1, 8) || randomblob(8) AS BLOB)")
REPAIR_IDS = Statement(
    update(Table)
    .where(
        Table.job_id == bindparam("of"), or_(*map(is_damaged, (Table.id, Table.notification_id)))
    )
    .values(
        id=case((is_damaged(Table.id), _anew), else_=Table.id),
        notification_id=select(JobRow.notification_id)
        .where(JobRow.id == bindparam("of"))
        .scalar_subquery(),
    ),
    Stage.changes,
)
ADD_DELIVERY = Statement(insert(Table), Stage.deliveries)
ADD_ATTEMPT = Statement(insert(AttemptRow), Stage.children)
ADD_OUTBOX_MESSAGE = Statement(insert(OutboxMessage), Stage.children)
ADD_INBOX_MESSAGE = Statement(insert(InboxRow), Stage.children)
ADD_KEPT = {records.OutboxMessage: ADD_OUTBOX_MESSAGE, InboxMessage: ADD_INBOX_MESSAGE}
# A final status changes only forward: a result that comes late finds no queued row to change.
CHANGE_QUEUED = update_row(Table, Table.status == "queued")
CHANGE_SENT = update_row(Table, Table.status == "sent")
# Its time ran out before all of its deliveries were done. The last of them to end completes it.
# In a stage of its own: after the slice of the fan-out that opens it, before the end of the last.
MARK_EXPIRED = update_row(
    NotificationRow, NotificationRow.status == "sending", stage=Stage.expiries
)
_last = NotificationRow.pending <= bindparam("ended")


_failed_ones = case(
    (Count.status == DeliveryStatus.failed, 1),
    (or_(Count.status == DeliveryStatus.sent, Count.status == DeliveryStatus.delivered), 0),
)
# By the counts, read once.
_outcome = (
    select(
        case(
            (func.min(_failed_ones) < func.max(_failed_ones), Outcome.some_failed.value),
            (func.max(_failed_ones) == 0, Outcome.all_sent.value),
            (func.max(_failed_ones) == 1, Outcome.all_failed.value),
            else_=Outcome.none.value,
        )
    )
    .where(Count.notification_id == NotificationRow.id, Count.deliveries > 0)
    .scalar_subquery()
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


class SqlDeliveries(DeliveryLists):
    """Implements `Deliveries`."""

    async def queued(self, job_id: UUID) -> Sequence[Delivery]:
        rows = await self._reader.rows(_queued, {"job": job_id})
        if any(row is None for row in rows):
            log.warning("deliveries.got_new_ids", job=str(job_id))
            await self._writer.write((REPAIR_IDS, {"of": job_id}), lane=WriteLane.bulk)
            rows = await self._reader.rows(_queued, {"job": job_id})
        return await recorded(rows, delivery_of)

    async def find(self, id: UUID) -> Delivery | None:
        return await self._reader.one(_find, {"of": id}, delivery_of)

    async def failed(self, id: UUID, after: UUID, limit: int) -> Sequence[Delivery]:
        values = {"notification": id, "after": after, "most": limit}
        return await self._reader.records(_failed, values, delivery_of)

    async def attempts(
        self, ids: Collection[UUID], *, latest: int
    ) -> Mapping[UUID, Mapping[int, records.Attempt]]:
        found: dict[UUID, dict[int, records.Attempt]] = {id: {} for id in ids}
        query = (
            select(AttemptRow.__table__)
            .join(Table, Table.id == AttemptRow.delivery_id)
            .where(Table.id.in_(ids), AttemptRow.number > Table.attempts - latest)
            .order_by(AttemptRow.delivery_id, AttemptRow.number)
        )
        for delivery_id, number, attempt in await self._lists.records(query, {}, _attempt):
            found[delivery_id][number] = attempt
        return found

    def record(
        self, notification: Notification, result: records.DeliveryResult, now: int
    ) -> asyncio.Future[None]:
        delivery, attempts, disposition = result.delivery, result.attempts, result.disposition
        changes = _attempts(delivery, attempts)
        if isinstance(disposition, records.Reschedule):
            waits = {"due_at": disposition.due_at, "reason": disposition.reason}
            changes.append(_change(delivery, now, attempts, **waits))
        else:
            how = {"status": disposition.status, "reason": disposition.reason}
            changes.append(_change(delivery, now, attempts, **how))
            of = (delivery.notification_id, notification.kind, delivery.channel)
            changes += _ended(*of, disposition.status, 1, now)
            if disposition.drop_device is not None:
                changes.append(remove_device(disposition.drop_device))
            if result.ends is None:
                changes.append(end_waiting(delivery.job_id, 1))
            else:
                changes += finish_job(result.ends, ended=1)
        if result.kept is not None:
            changes.append((ADD_KEPT[type(result.kept)], row_of(result.kept)))
        if result.addresses:
            changes += refused_changes(result.addresses)
        return self._writer.submit(changes, WriteLane.of(notification.priority))

    async def finish(
        self, notification: Notification, deliveries: Sequence[Delivery], end: Finish, now: int
    ) -> None:
        how = {"status": end.status, "reason": end.reason}
        changes = [_change(delivery, now, (), **how) for delivery in deliveries]
        for channel, number in Counter(d.channel for d in deliveries).items():
            of = (notification.id, notification.kind, channel)
            changes += _ended(*of, end.status, number, now)
        for job_id, number in Counter(d.job_id for d in deliveries).items():
            changes.append(end_waiting(job_id, number))
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


def _attempt(row: Row[Any]) -> tuple[UUID, int, records.Attempt]:
    how = (row.duration_ms / 1000, row.transport, AttemptOutcome(row.outcome))
    return row.delivery_id, row.number, records.Attempt(row.at, *how, row.answer, row.reference)


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
        row = {
            "delivery_id": delivery.id,
            "number": number,
            "at": attempt.at,
            "duration_ms": round(attempt.duration * 1000, 3),
            "transport": attempt.transport,
            "outcome": attempt.outcome,
            "answer": attempt.answer,
            "reference": attempt.reference,
        }
        changes.append((ADD_ATTEMPT, row))
        if attempt.tracked:
            changes.append(latency(delivery.channel, attempt))
    return changes


def _change(
    delivery: Delivery, now: int, attempts: Sequence[records.Attempt], **values: Any
) -> Change:
    """Return the change that a queued delivery has had more attempts, and other new values."""
    first = delivery.first_attempt_at or (attempts[0].at if attempts else None)
    return CHANGE_QUEUED, {
        "of": delivery.id,
        "status": delivery.status,
        "reason": delivery.reason,
        "attempts": delivery.attempts + len(attempts),
        "due_at": delivery.due_at,
        "first_attempt_at": first,
        "updated_at": now,
        **values,
    }


def _ended(
    id: UUID, kind: str, channel: str, status: DeliveryStatus, number: int, now: int
) -> Sequence[Change]:
    """Return the changes in what is counted, once deliveries of a notification have ended."""
    return (
        count(id, channel, DeliveryStatus.queued, -number),
        count(id, channel, status, number),
        total(now, kind, channel, status, number),
        end_some(id, number, now),
    )
