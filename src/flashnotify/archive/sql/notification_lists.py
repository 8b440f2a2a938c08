"""Lists of notifications, each read from an index, in SQL."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, literal_column, select

from flashnotify.archive.models import Notification as Table
from flashnotify.archive.records import Notification, NotificationFilter, Page
from flashnotify.archive.sql.access import Access, having
from flashnotify.archive.sql.audiences import entries
from flashnotify.archive.sql.lists import Span
from flashnotify.archive.sql.reading import known, strings
from flashnotify.archive.sql.senders import filed_with
from flashnotify.domain import NotificationStatus, Outcome, Priority

# The audience may be long, and is needed only to fan out.
WITHOUT_AUDIENCE = select(*(c for c in Table.__table__.columns if c.name != "audience"))
_columns = Table.__table__.c


class NotificationLists(Access):
    """Implements the lists of `Notifications`."""

    async def page(
        self, wanted: NotificationFilter, *, limit: int, cursor: str | None
    ) -> Page[Notification]:
        among, others = _indexed(wanted)
        span = Span.after(cursor, wanted.since, wanted.until)
        return await self._lists.filtered_page(
            WITHOUT_AUDIENCE, among, others, limit, span, notification_of
        )


def _indexed(
    wanted: NotificationFilter,
) -> tuple[Select[UUID], Sequence[ColumnElement[bool]]]:
    """Return the ids that one index has for a filter, and the conditions that are left.

    The index also has the columns of these, so that no row is read for one: its audience may be
    long.
    """
    filters = {
        name: value
        for name in ("reference", "status", "outcome", "kind", "priority")
        if (value := getattr(wanted, name)) is not None
    }
    among = select(Table.id)
    if wanted.sender is not None:
        if wanted.reference is None:
            among = among.where(Table.sender == wanted.sender)
            return among, [filed_with(Table.id, **filters)] if filters else []
        # One reference has few notifications.
        among = among.where(Table.reference == filters.pop("reference"))
        return among, [filed_with(Table.id, sender=wanted.sender, **filters)]
    for name, all_of in (("reference", ""), ("status", "completed"), ("outcome", "all_sent")):
        if name in filters and filters[name] != all_of:
            among = among.where(_columns[name] == filters.pop(name))
            if all_of:
                # As a literal, so that SQLite can use the partial index.
                among = among.where(literal_column(f"{name} <> '{all_of}'"))
            break
    else:
        if filters.keys() == {"kind"}:
            among = among.where(Table.kind == filters.pop("kind"))
    return among, [having(_columns[name], value) for name, value in filters.items()]


def notification_of(row: Row[Any], *, audience: bool = False) -> Notification:
    """Return a notification; one with columns that cannot be read is `damaged`, without them."""
    values = {**row._mapping, "fanned_out": row.expanded, "audience": (), "data": {}}
    values |= (
        chosen := {
            "priority": known(Priority, row.priority, Priority.low),
            "status": known(NotificationStatus, row.status, NotificationStatus.sending),
            "outcome": known(Outcome, row.outcome, None),
        }
    )
    channels, _, _ = values.pop("channels"), values.pop("expanded"), values.pop("pending")
    values |= {"channels": None, "texts": None, "damaged": True}
    values |= {name: bool(row._mapping[name]) for name in ("personalised", "acknowledge")}
    with suppress(ValueError):
        if audience:
            values["audience"] = entries(row.audience)
        if channels is not None:
            values["channels"] = strings(channels)
        if row.texts is not None:
            values["texts"] = json.loads(row.texts)
        data = json.loads(row.data)
        if isinstance(data, dict):
            sound = all(row._mapping[name] == value for name, value in chosen.items())
            values |= {"data": data, "damaged": not sound}
    return Notification(**values)
