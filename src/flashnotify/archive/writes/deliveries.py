"""Writes of deliveries and attempts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, insert, update

from flashnotify.archive.access import Access
from flashnotify.archive.models import Attempt as AttemptRow
from flashnotify.archive.models import Delivery as Table
from flashnotify.archive.models import Notification as NotificationRow
from flashnotify.archive.models import OutboxMessage
from flashnotify.archive.records import (
    Attempt,
    Delivery,
    Disposition,
    Finish,
    Notification,
    Reschedule,
)
from flashnotify.archive.writes.changes import Change, Stage, Statement
from flashnotify.archive.writes.devices import remove_device
from flashnotify.archive.writes.statistics import count, latency, total
from flashnotify.domain import Captured, DeliveryStatus

# The reason of deliveries that were too late to be sent.
EXPIRED = "expired"

ADD_DELIVERY = Statement(insert(Table), Stage.deliveries)
ADD_ATTEMPT = Statement(insert(AttemptRow), Stage.children)
ADD_OUTBOX_MESSAGE = Statement(insert(OutboxMessage), Stage.children)
# A final status changes only forward: a result that comes late finds no queued row to change.
FINISH_DELIVERY = Statement(
    update(Table)
    .where(Table.id == bindparam("of"), Table.status == "queued")
    .values(
        status=bindparam("to_status"),
        reason=bindparam("why"),
        attempts=bindparam("attempted"),
        first_attempt_at=bindparam("first"),
        updated_at=bindparam("now"),
    ),
    Stage.changes,
)
RESCHEDULE_DELIVERY = Statement(
    update(Table)
    .where(Table.id == bindparam("of"), Table.status == "queued")
    .values(
        due_at=bindparam("due"),
        reason=bindparam("why"),
        attempts=bindparam("attempted"),
        first_attempt_at=bindparam("first"),
        updated_at=bindparam("now"),
    ),
    Stage.changes,
)
CONFIRM_DELIVERY = Statement(
    update(Table)
    .where(Table.id == bindparam("of"), Table.status == "sent")
    .values(status="delivered", reason=None, updated_at=bindparam("now")),
    Stage.changes,
)
NOTE_UNDELIVERABLE = Statement(
    update(Table)
    .where(Table.id == bindparam("of"), Table.status == "sent")
    .values(reason=bindparam("why"), updated_at=bindparam("now")),
    Stage.changes,
)
# Its time ran out before all of its deliveries were done. The last of them to end completes it.
MARK_EXPIRED = Statement(
    update(NotificationRow)
    .where(NotificationRow.id == bindparam("of"), NotificationRow.status == "sending")
    .values(status="expired", updated_at=bindparam("now")),
    Stage.changes,
)
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


class DeliveryWrites(Access):
    """The writes of the port `Deliveries`."""

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
        progress = {
            "of": delivery.id,
            "attempted": delivery.attempts + len(attempts),
            "first": _first(delivery, attempts),
            "now": now,
        }
        if isinstance(disposition, Reschedule):
            changes.append(
                (
                    RESCHEDULE_DELIVERY,
                    {**progress, "due": disposition.due_at, "why": disposition.reason},
                )
            )
        else:
            changes.append(_finish(disposition, progress))
            changes += _ended(notification, delivery.channel, 1, disposition, now)
        if captured is not None:
            changes.append(_captured(delivery, *captured, now))
        return self._writer.submit(changes)

    async def finish(
        self, notification: Notification, deliveries: Sequence[Delivery], end: Finish, now: int
    ) -> None:
        changes: list[Change] = []
        for d in deliveries:
            progress = {"of": d.id, "attempted": d.attempts, "first": d.first_attempt_at}
            changes.append(_finish(end, {**progress, "now": now}))
        for channel, number in Counter(d.channel for d in deliveries).items():
            changes += _ended(notification, channel, number, end, now)
        if end.reason == EXPIRED:
            changes.append((MARK_EXPIRED, {"of": notification.id, "now": now}))
        await self._writer.write(*changes)

    async def confirm(self, delivery: Delivery, kind: str, now: int) -> None:
        id, channel, delivered = (
            delivery.notification_id,
            delivery.channel,
            DeliveryStatus.delivered,
        )
        await self._writer.write(
            (CONFIRM_DELIVERY, {"of": delivery.id, "now": now}),
            count(id, channel, DeliveryStatus.sent, -1),
            count(id, channel, delivered, 1),
            total(now, kind, channel, delivered),
        )

    async def note_undeliverable(self, id: UUID, reason: str, now: int) -> None:
        await self._writer.write((NOTE_UNDELIVERABLE, {"of": id, "why": reason, "now": now}))


def add_delivery(delivery: Delivery) -> Change:
    """Return the change that stores a delivery."""
    return ADD_DELIVERY, {
        "id": delivery.id,
        "notification_id": delivery.notification_id,
        "job_id": delivery.job_id,
        "channel": delivery.channel,
        "address": delivery.address,
        "status": delivery.status,
        "reason": delivery.reason,
        "attempts": delivery.attempts,
        "due_at": delivery.due_at,
        "first_attempt_at": delivery.first_attempt_at,
        "updated_at": delivery.updated_at,
    }


def end_some(notification_id: UUID, ended: int, now: int) -> Change:
    """Return the change that `ended` deliveries, or the fan-out, of a notification have ended."""
    return END_SOME, {"of": notification_id, "ended": ended, "now": now}


def _attempts(delivery: Delivery, attempts: Sequence[Attempt]) -> list[Change]:
    changes: list[Change] = []
    for number, attempt in enumerate(attempts, delivery.attempts + 1):
        duration_ms = round(attempt.duration * 1000, 3)
        row = {
            "delivery_id": delivery.id,
            "number": number,
            "at": attempt.at,
            "duration_ms": duration_ms,
            "transport": attempt.transport,
            "outcome": attempt.outcome,
            "answer": attempt.answer,
            "reference": attempt.reference,
        }
        changes.append((ADD_ATTEMPT, row))
        if attempt.tracked:
            changes.append(latency(delivery.channel, attempt, duration_ms))
    return changes


def _first(delivery: Delivery, attempts: Sequence[Attempt]) -> int | None:
    if delivery.first_attempt_at is None and attempts:
        return attempts[0].at
    return delivery.first_attempt_at


def _finish(end: Finish, progress: dict[str, Any]) -> Change:
    return FINISH_DELIVERY, {**progress, "to_status": end.status, "why": end.reason}


def _ended(
    notification: Notification, channel: str, number: int, end: Finish, now: int
) -> list[Change]:
    changes = [
        count(notification.id, channel, DeliveryStatus.queued, -number),
        count(notification.id, channel, end.status, number),
        total(now, notification.kind, channel, end.status, number),
        end_some(notification.id, number, now),
    ]
    if end.drop_device is not None:
        changes.append(remove_device(end.drop_device))
    return changes


def _captured(delivery: Delivery, id: UUID, message: Captured, now: int) -> Change:
    return ADD_OUTBOX_MESSAGE, {
        "id": id,
        "notification_id": delivery.notification_id,
        "delivery_id": delivery.id,
        "channel": message.channel,
        "address": message.to,
        "subject": message.subject,
        "text": message.text,
        "html": message.html,
        "captured_at": now,
    }
