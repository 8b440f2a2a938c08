"""Who sent a notification, answered from indexes, in SQL.

A notification's row may be long, and its sender stands behind what is long in it. SQLite would
read the row to find the one with an id; for a range of ids it takes an index that has all it needs.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from flashnotify.archive.models import Notification

_Sent: Any = aliased(Notification)


def sender_of(notification_id: InstrumentedAttribute[UUID]) -> ScalarSelect[str | None]:
    """Return the sender of a notification, as a column of a query about something else."""
    return select(_Sent.sender).where(*_is(notification_id)).scalar_subquery()


def filed_with(
    notification_id: InstrumentedAttribute[UUID], **wanted: object
) -> ColumnElement[bool]:
    """Return the condition that columns of a notification have the `wanted` values."""
    # Computed, so that SQLite takes no other index for them.
    values = (getattr(_Sent, name).concat("") == str(value) for name, value in wanted.items())
    return select(_Sent.id).where(*_is(notification_id), *values).exists()


def first_of(sender: str) -> Select[UUID]:
    """Return the query for the first notification of a sender."""
    return select(func.min(Notification.id)).where(Notification.sender == sender)


def _is(notification_id: InstrumentedAttribute[UUID]) -> tuple[ColumnElement[bool], ...]:
    return _Sent.id >= notification_id, _Sent.id <= notification_id
