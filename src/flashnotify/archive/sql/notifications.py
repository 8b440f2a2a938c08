"""Notifications, and the changes of a notification as a whole, in SQL."""

import json
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import (
    Row,
    bindparam,
    case,
    exists,
    insert,
    or_,
    select,
    update,
)

from flashnotify.archive import api_key_records, records
from flashnotify.archive.cost_centre_records import SmsUsage
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.models import Count, IdempotencyKey, JobRow
from flashnotify.archive.models import Delivery as DeliveryRow
from flashnotify.archive.models import Notification as Table
from flashnotify.archive.people_records import DigestEntry
from flashnotify.archive.records import IdempotencyRecord, Notification, ScheduledJob
from flashnotify.archive.sql.api_keys import counted
from flashnotify.archive.sql.audit import added, added_if_cancelled
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, update_row, upsert
from flashnotify.archive.sql.cost_centres import charged as uses
from flashnotify.archive.sql.deliveries import ADD_DELIVERY, end_some, mark_expired
from flashnotify.archive.sql.digests import added as waits_for_digest
from flashnotify.archive.sql.digests import removed
from flashnotify.archive.sql.jobs import add_job, finish_job
from flashnotify.archive.sql.notification_lists import (
    WITHOUT_AUDIENCE,
    NotificationLists,
    notification_of,
)
from flashnotify.archive.sql.statistics import count, total
from flashnotify.archive.sql.waiting import add_batches, add_waiting
from flashnotify.archive.statistics_records import ACCEPTED
from flashnotify.archive.write_lanes import WriteLane
from flashnotify.domain import DeliveryStatus, Job, NotificationStatus, Priority

_find = select(Table.__table__).where(Table.id == bindparam("of"))
_find_without_audience = WITHOUT_AUDIENCE.where(Table.id == bindparam("of"))
_counts = select(Count.__table__).where(Count.notification_id == bindparam("of"))
_answer = select(IdempotencyKey.__table__).where(
    IdempotencyKey.caller == bindparam("caller"), IdempotencyKey.key == bindparam("key")
)

ADD_NOTIFICATION = Statement(insert(Table), Stage.parents)
ADD_IDEMPOTENCY_KEY = upsert(
    IdempotencyKey, Stage.children, replace=("fingerprint", "answer", "created_at")
)
# One by one: `in_` would make a parameter of varying length, which executemany cannot have.
_open = or_(Table.status == "scheduled", Table.status == "queued", Table.status == "sending")
# A notification that was cancelled meanwhile stays so: its deliveries then end as cancelled.
ADVANCE_FAN_OUT = update_row(
    Table,
    status=case((_open, "sending"), else_=Table.status),
    updated_at=bindparam("now"),
    expanded=bindparam("upto"),
    last_person=bindparam("person"),
    recipients=Table.recipients + bindparam("recipients"),
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
    outcome=None,
    pending=Table.pending + bindparam("more"),
)


class SqlNotifications(NotificationLists):
    """Implements `Notifications`."""

    async def find(self, id: UUID, *, audience: bool = True) -> Notification | None:
        query = _find if audience else _find_without_audience
        record = partial(notification_of, audience=audience)
        return await self._reader.one(query, {"of": id}, record)

    async def counts(self, id: UUID) -> Mapping[str, Mapping[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        for row in await self._lists.all(_counts, {"of": id}):
            if row.deliveries:
                counts.setdefault(row.channel, {})[row.status] = row.deliveries
        return counts

    async def idempotent_answer(self, caller: str, key: str) -> IdempotencyRecord | None:
        return await self._reader.one(_answer, {"caller": caller, "key": key}, _idempotent_answer)

    def accept(
        self,
        notification: Notification,
        work: ScheduledJob | records.FanOutSlice,
        answer: IdempotencyRecord | None,
        reached: api_key_records.DailyRecipients | None = None,
        digested: Sequence[DigestEntry] = (),
        charged: SmsUsage | None = None,
    ) -> Awaitable[None]:
        now = notification.accepted_at
        changes: list[Change] = [
            (ADD_NOTIFICATION, _row(notification)),
            total(now, notification.kind, "", ACCEPTED),
        ]
        if isinstance(work, ScheduledJob):
            changes += (add_job(work), add_waiting(work, 1))
        else:
            changes += _fanned_out(notification.id, work, now)
        if answer is not None:
            changes.append((ADD_IDEMPOTENCY_KEY, _answer_row(answer)))
        if reached is not None:
            changes.append(counted(reached))
        if charged is not None:
            changes.append(uses(charged))
        if digested:
            # Nobody waits for it.
            return self._writer.submit([*changes, *map(removed, digested)], WriteLane.bulk)
        lane = WriteLane.of_accept(notification.priority, len(changes))
        return self._writer.submit(changes, lane)

    async def add_deliveries(self, job: Job, done: records.FanOutSlice, now: int) -> None:
        changes = _fanned_out(job.notification_id, done, now)
        if done.finished:
            changes += finish_job(job)
        await self._writer.write(*changes, lane=WriteLane.of(job.priority))

    async def cancel(
        self, id: UUID, priority: Priority, now: int, entry: AuditEntry | None = None
    ) -> None:
        values = {"of": id, "now": now}
        changes: list[Change] = [(CANCEL_NOTIFICATION, values), (HASTEN_JOBS, values)]
        if entry is not None:
            changes.append(added_if_cancelled(entry, id))
        await self._writer.submit(changes, WriteLane.of(priority), barrier=True)

    async def requeue(
        self,
        id: UUID,
        failed: Sequence[records.Delivery],
        jobs: Sequence[Job],
        now: int,
        entry: AuditEntry | None = None,
    ) -> None:
        job_of = {job.channel: job.id for job in jobs}
        # The time to give up counts from the first attempt after this.
        queued = {"status": "queued", "reason": None, "first_attempt_at": None}
        queued_now = {**queued, "due_at": now, "updated_at": now}
        changes: list[Change] = [
            (REQUEUE_DELIVERY, {**queued_now, "of": d.id, "job_id": job_of[d.channel]})
            for d in failed
        ]
        for channel, number in Counter(delivery.channel for delivery in failed).items():
            changes.append(count(id, channel, DeliveryStatus.failed, -number))
            changes.append(count(id, channel, DeliveryStatus.queued, number))
        for scheduled in (ScheduledJob(job, now) for job in jobs):
            number = sum(delivery.channel == scheduled.job.channel for delivery in failed)
            changes += [add_job(scheduled), add_waiting(scheduled, number)]
        changes.append((REOPEN_NOTIFICATION, {"of": id, "more": len(failed), "now": now}))
        if entry is not None:
            changes.append(added(entry))
        await self._writer.submit(changes, WriteLane.of(jobs[0].priority), barrier=True)


def _fanned_out(id: UUID, done: records.FanOutSlice, now: int) -> list[Change]:
    changes: list[Change] = [
        (ADD_DELIVERY, row_of(delivery) | {"status": str(delivery.status)})
        for delivery in done.deliveries
    ]
    changes += [add_job(scheduled) for scheduled in done.jobs]
    if done.digested:
        changes += map(waits_for_digest, done.digested)
    changes += add_batches(done.jobs, done.deliveries)
    counts = Counter((d.channel, d.status) for d in done.deliveries)
    changes += [count(id, *of, number) for of, number in counts.items()]
    queued = sum(delivery.status is DeliveryStatus.queued for delivery in done.deliveries)
    # The end of the fan-out, which was pending too, completes nothing that has queued deliveries.
    more = queued - 1 if done.finished and queued else queued
    advanced = {"upto": done.upto, "person": done.last_person, "recipients": done.more_recipients}
    changes.append((ADVANCE_FAN_OUT, {"of": id, "more": more, "now": now, **advanced}))
    if done.expired:
        changes.append(mark_expired(id, now))
    if done.finished and not queued:
        changes.append(end_some(id, 1, now))
    return changes


def _idempotent_answer(row: Row[Any]) -> IdempotencyRecord | None:
    try:
        answer = json.loads(row.answer)
        id, status = UUID(answer["id"]), NotificationStatus(answer["status"])
    except (ValueError, TypeError, KeyError):
        # As if there were none: the request is accepted, and its answer replaces this one.
        return None
    return IdempotencyRecord(row.caller, row.key, row.fingerprint, id, status, row.created_at)


def _row(notification: Notification) -> dict[str, Any]:
    # Written out, and with plain values: a driver takes over 1 µs to convert a member of an enum.
    channels = notification.channels
    return {
        "id": notification.id,
        "kind": notification.kind,
        "title": notification.title,
        "body": notification.body,
        "data": _json(notification.data),
        "audience": _json(notification.audience),
        "recipients": notification.recipients,
        "priority": int(notification.priority),
        "channels": _json(channels) if channels is not None else None,
        "locale": notification.locale,
        "send_at": notification.send_at,
        "expires_at": notification.expires_at,
        "reference": notification.reference,
        "sender": notification.sender,
        "status": str(notification.status),
        "accepted_at": notification.accepted_at,
        "updated_at": notification.updated_at,
        "completed_at": notification.completed_at,
        "outcome": notification.outcome,
        "expanded": notification.fanned_out,
        "last_person": None,
        "texts": _json(notification.texts) if notification.texts is not None else None,
        "personalised": notification.personalised,
        "acknowledge": notification.acknowledge,
        "reminds_of": notification.reminds_of,
        "pending": 1,
    }


def _answer_row(answer: IdempotencyRecord) -> dict[str, Any]:
    row = row_of(answer)
    given = {"id": str(row.pop("notification_id")), "status": row.pop("status")}
    return row | {"answer": _json(given)}


def _json(value: Any) -> str:
    return to_json(value).decode()
