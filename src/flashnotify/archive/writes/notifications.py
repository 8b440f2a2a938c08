"""Writes of notifications, and what changes a notification as a whole."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, exists, insert, or_, update

from flashnotify.archive.models import Delivery as DeliveryRow
from flashnotify.archive.models import IdempotencyKey, JobRow
from flashnotify.archive.models import Notification as Table
from flashnotify.archive.reads.notifications import NotificationReads
from flashnotify.archive.records import (
    ACCEPTED,
    Delivery,
    FanOutSlice,
    IdempotencyRecord,
    Notification,
    ScheduledJob,
)
from flashnotify.archive.writes.changes import Change, Stage, Statement, row_of, update_row, upsert
from flashnotify.archive.writes.deliveries import ADD_DELIVERY, end_some, mark_expired
from flashnotify.archive.writes.jobs import add_job, finish_job
from flashnotify.archive.writes.statistics import count, total
from flashnotify.domain import DeliveryStatus, Job

ADD_NOTIFICATION = Statement(insert(Table), Stage.parents)
ADD_IDEMPOTENCY_KEY = Statement(
    upsert(
        IdempotencyKey,
        ("caller", "key"),
        replace=("fingerprint", "answer", "created_at"),
    ),
    Stage.children,
)
# One by one: `in_` would make a parameter of varying length, which executemany cannot have.
_open = or_(Table.status == "scheduled", Table.status == "queued", Table.status == "sending")
# A notification that was cancelled meanwhile stays so: its deliveries then end as cancelled.
ADVANCE_FAN_OUT = update_row(
    Table,
    status=case((_open, "sending"), else_=Table.status),
    updated_at=bindparam("now"),
    expanded=bindparam("upto"),
    pending=Table.pending + bindparam("more"),
)
CANCEL_NOTIFICATION = update_row(
    Table, _open, status="cancelled", updated_at=bindparam("now"), completed_at=bindparam("now")
)
HASTEN_JOBS = Statement(
    update(JobRow)
    .where(
        JobRow.notification_id == bindparam("of"),
        exists().where(Table.id == JobRow.notification_id, Table.status == "cancelled"),
    )
    .values(turn=None, due_at=bindparam("now")),
    Stage.endings,
)
REQUEUE_DELIVERY = update_row(DeliveryRow, DeliveryRow.status == "failed")
REOPEN_NOTIFICATION = update_row(
    Table,
    status="sending",
    updated_at=bindparam("now"),
    completed_at=None,
    pending=Table.pending + bindparam("more"),
)


class SqlNotifications(NotificationReads):
    """Implements `Notifications`."""

    async def accept(
        self, notification: Notification, job: ScheduledJob, answer: IdempotencyRecord | None
    ) -> None:
        changes = [
            (ADD_NOTIFICATION, _row(notification)),
            add_job(job),
            total(notification.accepted_at, notification.kind, "", ACCEPTED),
        ]
        if answer is not None:
            changes.append((ADD_IDEMPOTENCY_KEY, _answer_row(answer)))
        await self._writer.write(*changes)

    async def add_deliveries(self, job: Job, done: FanOutSlice, now: int) -> None:
        id = job.notification_id
        changes: list[Change] = [(ADD_DELIVERY, row_of(delivery)) for delivery in done.deliveries]
        changes += [add_job(scheduled) for scheduled in done.jobs]
        counts = Counter((d.channel, d.status) for d in done.deliveries)
        changes += [count(id, *of, number) for of, number in counts.items()]
        queued = sum(delivery.status is DeliveryStatus.queued for delivery in done.deliveries)
        changes.append((ADVANCE_FAN_OUT, {"of": id, "upto": done.upto, "more": queued, "now": now}))
        if done.expired:
            changes.append(mark_expired(id, now))
        if done.finished:
            changes += [end_some(id, 1, now), finish_job(job)]
        await self._writer.write(*changes)

    async def cancel(self, id: UUID, now: int) -> None:
        values = {"of": id, "now": now}
        await self._writer.submit(
            [(CANCEL_NOTIFICATION, values), (HASTEN_JOBS, values)], barrier=True
        )

    async def requeue(
        self, id: UUID, failed: Sequence[Delivery], jobs: Sequence[Job], now: int
    ) -> None:
        job_of = {job.channel: job.id for job in jobs}
        # The time to give up counts from the first attempt after this.
        queued = {"status": "queued", "reason": None, "first_attempt_at": None}
        queued_now = {**queued, "due_at": now, "updated_at": now}
        changes: list[Change] = [
            (
                REQUEUE_DELIVERY,
                {**queued_now, "of": d.id, "job_id": job_of[d.channel]},
            )
            for d in failed
        ]
        for channel, number in Counter(delivery.channel for delivery in failed).items():
            changes.append(count(id, channel, DeliveryStatus.failed, -number))
            changes.append(count(id, channel, DeliveryStatus.queued, number))
        changes += [add_job(ScheduledJob(job, now)) for job in jobs]
        changes.append((REOPEN_NOTIFICATION, {"of": id, "more": len(failed), "now": now}))
        await self._writer.submit(changes, barrier=True)


def _row(notification: Notification) -> dict[str, Any]:
    row = row_of(notification)
    del row["damaged"]
    channels = notification.channels
    return row | {
        "data": _json(dict(notification.data)),
        "audience": _json([str(address) for address in notification.audience]),
        "channels": _json(list(channels)) if channels is not None else None,
        "expanded": row.pop("fanned_out"),
        "pending": 1,
    }


def _answer_row(answer: IdempotencyRecord) -> dict[str, Any]:
    return {
        "caller": answer.caller,
        "key": answer.key,
        "fingerprint": answer.fingerprint,
        "answer": _json({"id": str(answer.notification_id), "status": answer.status}),
        "created_at": answer.created_at,
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
