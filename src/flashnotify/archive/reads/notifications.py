"""Reads of notifications."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, overload
from uuid import UUID

from sqlalchemy import Row, bindparam, literal_column, select

from flashnotify.archive import models, records
from flashnotify.archive.reads.reading import Access, first_id, strings
from flashnotify.domain import Address, NotificationStatus, Priority

# The audience may be long, and is needed only to fan out.
_without_audience = select(
    *(c for c in models.Notification.__table__.columns if c.name != "audience")
)
_find = select(models.Notification.__table__).where(models.Notification.id == bindparam("of"))
_find_without_audience = _without_audience.where(models.Notification.id == bindparam("of"))
_counts = select(models.Count.__table__).where(models.Count.notification_id == bindparam("of"))
_answer = select(models.IdempotencyKey.__table__).where(
    models.IdempotencyKey.caller == bindparam("caller"),
    models.IdempotencyKey.key == bindparam("key"),
)


class NotificationReads(Access):
    """The reads of the port `Notifications`."""

    async def find(self, id: UUID, *, audience: bool = True) -> records.Notification | None:
        query = _find if audience else _find_without_audience
        row = await self._reader.one(query, {"of": id})
        if row is None:
            return None
        recipients: Sequence[Address] = ()
        try:
            if audience:
                recipients = _Audience(strings(row.audience))
            return _notification(row, recipients)
        except ValueError:
            return _record(row, {}, recipients, None, damaged=True)

    async def page(
        self, wanted: records.NotificationFilter, *, limit: int, cursor: str | None
    ) -> records.Page[records.Notification]:
        query = _without_audience
        for column, value in (
            (models.Notification.kind, wanted.kind),
            (models.Notification.reference, wanted.reference),
            (models.Notification.priority, wanted.priority),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.status is not None:
            query = query.where(models.Notification.status == wanted.status)
            if wanted.status is not NotificationStatus.completed:
                # Said once more as a literal, so that SQLite can use the partial index.
                query = query.where(literal_column("status <> 'completed'"))
        if wanted.since is not None:
            query = query.where(models.Notification.id >= first_id(wanted.since))
        if wanted.until is not None:
            query = query.where(models.Notification.id < first_id(wanted.until))
        return await self._lists.page(query, models.Notification.id, limit, cursor, _listed)

    async def counts(self, id: UUID) -> Mapping[str, Mapping[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        for row in await self._lists.all(_counts, {"of": id}):
            if row.deliveries:
                counts.setdefault(row.channel, {})[row.status] = row.deliveries
        return counts

    async def idempotent_answer(self, caller: str, key: str) -> records.IdempotencyRecord | None:
        row = await self._reader.one(_answer, {"caller": caller, "key": key})
        if row is None:
            return None
        try:
            answer = json.loads(row.answer)
            id, status = UUID(answer["id"]), NotificationStatus(answer["status"])
        except (ValueError, TypeError, KeyError):
            # As if there were none: the request is accepted, and its answer replaces this one.
            return None
        return records.IdempotencyRecord(caller, key, row.fingerprint, id, status, row.created_at)


class _Audience(Sequence[Address]):
    """The entries of an audience, made into addresses only as they are used: there may be many."""

    def __init__(self, entries: list[str]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, at: int) -> Address: ...
    @overload
    def __getitem__(self, at: slice) -> list[Address]: ...
    def __getitem__(self, at: int | slice) -> Address | list[Address]:
        if isinstance(at, slice):
            return [_address(entry) for entry in self._entries[at]]
        return _address(self._entries[at])


def _address(entry: str) -> Address:
    scheme, _, value = entry.partition(":")
    return Address(scheme, value)


def _notification(row: Row[Any], audience: Sequence[Address]) -> records.Notification:
    """Raise ValueError if its JSON cannot be read."""
    data = json.loads(row.data)
    if not isinstance(data, dict):
        raise ValueError("not an object")
    channels = strings(row.channels) if row.channels is not None else None
    return _record(row, data, audience, channels)


def _listed(row: Row[Any]) -> records.Notification:
    try:
        return _notification(row, ())
    except ValueError:
        return _record(row, {}, (), None)


def _record(
    row: Row[Any],
    data: Mapping[str, Any],
    audience: Sequence[Address],
    channels: Sequence[str] | None,
    *,
    damaged: bool = False,
) -> records.Notification:
    values = dict(row._mapping)
    del values["pending"]
    return records.Notification(
        **values
        | {
            "data": data,
            "audience": audience,
            "channels": channels,
            "priority": Priority(row.priority),
            "status": NotificationStatus(row.status),
            "fanned_out": values.pop("expanded"),
            "damaged": damaged,
        }
    )
