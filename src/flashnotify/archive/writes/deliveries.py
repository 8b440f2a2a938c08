"""Writes of deliveries and attempts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import bindparam, case, insert, update

from flashnotify.archive.models import Attempt as AttemptRow
from flashnotify.archive.models import Delivery as Table
from flashnotify.archive.models import Notification as NotificationRow
from flashnotify.archive.models import OutboxMessage
from flashnotify.archive.reads.deliveries import DeliveryReads
from flashnotify.archive.records import (
    Attempt,
    Delivery,
    Disposition,
    Finish,
    Notification,
    Reschedule,
)
from flashnotify.archive.writes.changes import Change, Stage, Statement, row_of, update_row
from flashnotify.archive.writes.devices import remove_device
from flashnotify.archive.writes.statistics import count, latency, total
from flashnotify.domain import Captured, DeliveryStatus, NotificationStatus

# The reason of deliveries that were too late to be sent.
EXPIRED = "expired"

ADD_DELIVERY = Statement(insert(Table), Stage.deliveries)
ADD_ATTEMPT = Statement(insert(AttemptRow), Stage.children)
ADD_OUTBOX_MESSAGE = Statement(insert(OutboxMessage), Stage.children)
# A final status changes only forward: a result that comes late finds no queued row to change.
CHANGE_QUEUED = update_row(Table, Table.status == "queued")
CHANGE_SENT = update_row(Table, Table.status == "sent")
# Its time ran out before all of its deliveries were done. The last of them to end completes it.
MARK_EXPIRED = update_row(NotificationRow, NotificationRow.status == "sending")
_last = NotificationRow.pending <= bindparam("ended")
# The last delivery to end completes its notification.
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
    ),
    Stage.totals,
    amounts=("ended",),
)


class SqlDeliveries(DeliveryReads):
    """Implements `Deliveries`."""

    def record(
        self,
        notification: Notification,
        delivery: Delivery,
        attempts: Sequence[Attempt],
        disposition: Disposition,
        now: int,
        captured: tuple[UUID, Captured] | None = None,
    ) -> asyncio.Future[None]:
        changes = _attempts(delivery, attempts)
        if attempts:
            number = delivery.attempts + len(attempts)
            first = delivery.first_attempt_at or attempts[0].at
            delivery = replace(delivery, attempts=number, first_attempt_at=first)
        if isinstance(disposition, Reschedule):
            waiting = replace(delivery, due_at=disposition.due_at, reason=disposition.reason)
            changes.append(_change(waiting, now))
        else:
            changes += _end([delivery], notification.kind, disposition, now)
        if captured is not None:
            changes.append(_captured(delivery, *captured, now))
        return self._writer.submit(changes)

    async def finish(
        self, notification: Notification, deliveries: Sequence[Delivery], end: Finish, now: int
    ) -> None:
        changes = _end(deliveries, notification.kind, end, now)
        if end.reason == EXPIRED:
            changes.append(mark_expired(notification.id, now))
        await self._writer.write(*changes)

    async def confirm(self, delivery: Delivery, kind: str, now: int) -> None:
        id, channel, delivered = (
            delivery.notification_id,
            delivery.channel,
            DeliveryStatus.delivered,
        )
        row = {"of": delivery.id, "status": delivered, "reason": None, "updated_at": now}
        await self._writer.write(
            (CHANGE_SENT, row),
            count(id, channel, DeliveryStatus.sent, -1),
            count(id, channel, delivered, 1),
            total(now, kind, channel, delivered),
        )

    async def note_undeliverable(self, id: UUID, reason: str, now: int) -> None:
        row = {"of": id, "status": DeliveryStatus.sent, "reason": reason, "updated_at": now}
        await self._writer.write((CHANGE_SENT, row))


def mark_expired(notification_id: UUID, now: int) -> Change:
    """Return the change that marks a notification as expired."""
    row = {"of": notification_id, "status": NotificationStatus.expired, "updated_at": now}
    return MARK_EXPIRED, row


def end_some(notification_id: UUID, ended: int, now: int) -> Change:
    """Return the change that `ended` deliveries, or the fan-out, of a notification have ended."""
    return END_SOME, {"of": notification_id, "ended": ended, "now": now}


def _attempts(delivery: Delivery, attempts: Sequence[Attempt]) -> list[Change]:
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


def _change(delivery: Delivery, now: int) -> Change:
    return CHANGE_QUEUED, {
        "of": delivery.id,
        "status": delivery.status,
        "reason": delivery.reason,
        "attempts": delivery.attempts,
        "first_attempt_at": delivery.first_attempt_at,
        "due_at": delivery.due_at,
        "updated_at": now,
    }


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


def _captured(delivery: Delivery, id: UUID, message: Captured, now: int) -> Change:
    of = {"notification_id": delivery.notification_id, "delivery_id": delivery.id}
    return ADD_OUTBOX_MESSAGE, row_of(message) | of | {"id": id, "captured_at": now}
