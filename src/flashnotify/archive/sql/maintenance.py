"""Purges of what has been kept long enough, in slices that never hold the writer for long."""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, exists, func, literal_column, or_, select

from flashnotify.archive import models
from flashnotify.archive.identity_models import Session, TokenFamily
from flashnotify.archive.people_models import (
    Acknowledgement,
    DigestEntry,
    InboxMessage,
    PhoneConfirmation,
)
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.changes import Change, Stage, Statement
from flashnotify.archive.sql.coarsening import Counted, coarsen, is_finer
from flashnotify.archive.sql.lists import first_id
from flashnotify.archive.sql.sessions import REMOVE_SESSION
from flashnotify.archive.sql.token_families import PURGE_FAMILY
from flashnotify.archive.statistics_models import Latency, Total
from flashnotify.archive.write_lanes import WriteLane

# Notifications of one slice, since their audiences may be long.
_NOTIFICATIONS = 100


def _purge(table: type[Any], *which: ColumnElement[bool]) -> Statement:
    return Statement(delete(table).where(*which), Stage.endings)


# Rows go before the rows that they refer to, in the order of each write.
# A delivery that was queued again since it was read stays, with its attempts.
_again: ColumnElement[bool] = literal_column("status = 'queued'")
PURGE_ATTEMPTS = _purge(
    models.Attempt,
    models.Attempt.delivery_id == bindparam("of"),
    ~exists().where(models.Delivery.id == bindparam("of"), _again),
)
PURGE_DELIVERY = _purge(models.Delivery, models.Delivery.id == bindparam("of"), ~_again)
PURGE_MESSAGE = _purge(models.OutboxMessage, models.OutboxMessage.id == bindparam("of"))
PURGE_INBOX_MESSAGE = _purge(InboxMessage, InboxMessage.id == bindparam("of"))
PURGE_COUNTS = _purge(models.Count, models.Count.notification_id == bindparam("of"))
PURGE_JOBS = _purge(models.JobRow, models.JobRow.notification_id == bindparam("of"))
PURGE_NOTIFICATION = _purge(models.Notification, models.Notification.id == bindparam("of"))
PURGE_ACKNOWLEDGEMENT = _purge(
    Acknowledgement,
    Acknowledgement.notification_id == bindparam("of"),
    Acknowledgement.recipient == bindparam("recipient"),
)
PURGE_DIGEST = _purge(DigestEntry, DigestEntry.notification_id == bindparam("of"))
# A new code, in the same commit, stays.
PURGE_PHONE_CONFIRMATION = _purge(
    PhoneConfirmation,
    PhoneConfirmation.user_id == bindparam("of"),
    PhoneConfirmation.phone == bindparam("to"),
    PhoneConfirmation.sent_at < bindparam("before"),
)
PURGE_EVENTS = _purge(models.Event, models.Event.id < bindparam("before"))
PURGE_TOTALS = _purge(Total, Total.since < bindparam("before"))
PURGE_LATENCIES = _purge(Latency, Latency.since < bindparam("before"))
# A new answer for the same key, in the same commit, stays.
PURGE_IDEMPOTENCY_KEY = _purge(
    models.IdempotencyKey,
    models.IdempotencyKey.caller == bindparam("caller"),
    models.IdempotencyKey.key == bindparam("key"),
    models.IdempotencyKey.created_at < bindparam("before"),
)


class SqlMaintenance(Access):
    """Implements `Maintenance`."""

    async def purge_idempotency_keys(self, before: int, limit: int) -> bool:
        query = (
            select(models.IdempotencyKey.caller, models.IdempotencyKey.key)
            .where(models.IdempotencyKey.created_at < before)
            .order_by(models.IdempotencyKey.created_at)
            .limit(limit)
        )
        rows = [{**row._mapping, "before": before} for row in await self._reader.all(query, {})]
        return await self._write([(PURGE_IDEMPOTENCY_KEY, row) for row in rows])

    async def purge_token_families(self, before: int, limit: int) -> bool:
        query = select(TokenFamily.id).where(TokenFamily.expires_at < before).limit(limit)
        ids = await self._reader.all(query, {})
        return await self._write([(PURGE_FAMILY, {"of": row.id}) for row in ids])

    async def purge_phone_confirmations(self, before: int, limit: int) -> bool:
        columns = (PhoneConfirmation.user_id, PhoneConfirmation.phone)
        query = select(*columns).where(PhoneConfirmation.sent_at < before).limit(limit)
        rows = await self._reader.all(query, {})
        values = [{"of": row.user_id, "to": row.phone, "before": before} for row in rows]
        return await self._write([(PURGE_PHONE_CONFIRMATION, each) for each in values])

    async def purge_events(self, keep: int, limit: int) -> bool:
        last = await self._reader.value(select(func.max(models.Event.id)))
        return await self._purge_from(PURGE_EVENTS, models.Event.id, (last or 0) - keep + 1, limit)

    async def purge_totals(self, before: int, span: int) -> bool:
        return await self._purge_from(PURGE_TOTALS, Total.since, before, span)

    async def purge_latencies(self, before: int, span: int) -> bool:
        return await self._purge_from(PURGE_LATENCIES, Latency.since, before, span)

    async def coarsen_totals(self, before: int, span: int) -> bool:
        return await self._coarsen(Total, before, span)

    async def coarsen_latencies(self, before: int, span: int) -> bool:
        return await self._coarsen(Latency, before, span)

    async def purge_sessions(self, created_before: int, seen_before: int, limit: int) -> bool:
        over = or_(Session.id < first_id(created_before), Session.seen_at < seen_before)
        ids = await self._reader.all(select(Session.id).where(over).limit(limit), {})
        return await self._write([(REMOVE_SESSION, {"of": row.id}) for row in ids])

    async def purge_notifications(
        self, kind: str | None, known: Collection[str], before: int, limit: int
    ) -> bool:
        kinds: Sequence[str] = [kind] if kind is not None else ()
        if kind is None:
            stored = await self._reader.distinct(models.Notification.kind)
            kinds = [each for each in stored if each not in known]
        for each in kinds:
            query = (
                select(models.Notification.id)
                .where(
                    models.Notification.kind == each,
                    models.Notification.id < first_id(before),
                    models.Notification.completed_at < before,
                )
                .order_by(models.Notification.id)
                .limit(min(limit, _NOTIFICATIONS))
            )
            if ids := [row.id for row in await self._reader.all(query, {})]:
                return await self._write(await self._slice(ids, limit))
        return False

    async def _slice(self, ids: Sequence[UUID], limit: int) -> list[Change]:
        """Return the purge of a slice of the parts of `ids`, or of themselves without parts."""
        messages, in_app = (
            select(table.id).where(table.notification_id.in_(ids)).limit(limit)
            for table in (models.OutboxMessage, InboxMessage)
        )
        deliveries = (
            select(models.Delivery.id, models.Delivery.attempts)
            .where(models.Delivery.notification_id.in_(ids))
            .limit(limit)
        )
        found = await self._reader.all(deliveries, {})
        # Each delivery is one row, plus one per attempt, of which there may be hundreds.
        rows = list(accumulate(row.attempts + 1 for row in found))
        some = [row.id for row in found[: max(1, bisect_right(rows, limit))]]
        acknowledged = (
            select(Acknowledgement.notification_id, Acknowledgement.recipient)
            .where(Acknowledgement.notification_id.in_(ids))
            .limit(limit)
        )
        if rows_of := await self._reader.all(acknowledged, {}):
            return [
                (PURGE_ACKNOWLEDGEMENT, {"of": row.notification_id, "recipient": row.recipient})
                for row in rows_of
            ]
        parts: dict[Statement, Sequence[UUID]] = {
            PURGE_MESSAGE: [row.id for row in await self._reader.all(messages, {})],
            PURGE_INBOX_MESSAGE: [row.id for row in await self._reader.all(in_app, {})],
            PURGE_ATTEMPTS: some,
            PURGE_DELIVERY: some,
        }
        if not any(parts.values()):
            parts = {PURGE_DIGEST: ids, PURGE_COUNTS: ids, PURGE_JOBS: ids, PURGE_NOTIFICATION: ids}
        return [(statement, {"of": id}) for statement, of in parts.items() for id in of]

    async def _purge_from(self, statement: Statement, number: Any, end: int, step: int) -> bool:
        first = await self._reader.value(select(func.min(number)))
        if first is None or first >= end:
            return False
        return await self._write([(statement, {"before": min(first + step, end)})])

    async def _coarsen(self, model: Counted, before: int, span: int) -> bool:
        finer = select(func.min(model.since)).where(model.since < before, is_finer(model, span))
        first = await self._reader.value(finer)
        return first is not None and await self._write(coarsen(model, first - first % span, span))

    async def _write(self, changes: Sequence[Change]) -> bool:
        if changes:
            await self._writer.write(*changes, lane=WriteLane.bulk)
        return bool(changes)
