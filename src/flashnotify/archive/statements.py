"""Every write there is: Core statements, each with its place in a commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

from sqlalchemy import Executable, bindparam, case, delete, insert, update
from sqlalchemy.dialects.sqlite import insert as upsert

from flashnotify.archive.models import (
    ApiKey,
    Attempt,
    Count,
    Delivery,
    Device,
    IdempotencyKey,
    JobRow,
    Notification,
    OutboxMessage,
)

Row: TypeAlias = Mapping[str, Any]


class Stage(IntEnum):
    """The order within a commit: what others refer to comes first, what ends things last."""

    parents = 0
    deliveries = 1
    children = 2
    changes = 3
    totals = 4
    endings = 5


@dataclass(frozen=True, eq=False, slots=True)
class Statement:
    """A Core statement. Rows of one statement are written as one executemany.

    `amounts` name columns that are added to what is there, so that rows which are equal in all
    others may be written as one row with their sum.
    """

    clause: Executable
    stage: Stage
    amounts: tuple[str, ...] = ()


Change: TypeAlias = tuple[Statement, Row]

ADD_NOTIFICATION = Statement(insert(Notification), Stage.parents)
ADD_DELIVERY = Statement(insert(Delivery), Stage.deliveries)
ADD_JOB = Statement(insert(JobRow), Stage.children)
ADD_ATTEMPT = Statement(insert(Attempt), Stage.children)
ADD_OUTBOX_MESSAGE = Statement(insert(OutboxMessage), Stage.children)
ADD_IDEMPOTENCY_KEY = Statement(insert(IdempotencyKey), Stage.children)
ADD_API_KEY = Statement(insert(ApiKey), Stage.parents)

ADD_DEVICE = Statement(insert(Device), Stage.parents)
# The same subscription or topic again: its keys may be new, its id stays.
RENEW_DEVICE = Statement(
    update(Device)
    .where(Device.id == bindparam("of"))
    .values(
        p256dh=bindparam("new_p256dh"), auth=bindparam("new_auth"), label=bindparam("new_label")
    ),
    Stage.changes,
)
DROP_DEVICE = Statement(delete(Device).where(Device.id == bindparam("of")), Stage.endings)

# A final status changes only forward: an outcome that comes late finds no queued row to change.
END_DELIVERY = Statement(
    update(Delivery)
    .where(Delivery.id == bindparam("of"), Delivery.status == "queued")
    .values(
        status=bindparam("to_status"),
        reason=bindparam("why"),
        attempts=bindparam("tried"),
        first_attempt_at=bindparam("first"),
        updated_at=bindparam("now"),
    ),
    Stage.changes,
)
POSTPONE_DELIVERY = Statement(
    update(Delivery)
    .where(Delivery.id == bindparam("of"), Delivery.status == "queued")
    .values(
        due_at=bindparam("due"),
        reason=bindparam("why"),
        attempts=bindparam("tried"),
        first_attempt_at=bindparam("first"),
        updated_at=bindparam("now"),
    ),
    Stage.changes,
)
EXPAND_NOTIFICATION = Statement(
    update(Notification)
    .where(Notification.id == bindparam("of"))
    .values(
        status="sending",
        expanded=bindparam("upto"),
        pending=Notification.pending + bindparam("more"),
    ),
    Stage.changes,
)
EXPIRE_NOTIFICATION = Statement(
    update(Notification)
    .where(Notification.id == bindparam("of"))
    .values(status="expired", pending=0, completed_at=bindparam("now")),
    Stage.changes,
)

_count = upsert(Count).values(
    notification_id=bindparam("notification_id"),
    channel=bindparam("channel"),
    status=bindparam("status"),
    deliveries=bindparam("deliveries"),
)
ADD_COUNT = Statement(
    _count.on_conflict_do_update(
        index_elements=["notification_id", "channel", "status"],
        set_={"deliveries": Count.deliveries + _count.excluded.deliveries},
    ),
    Stage.totals,
    amounts=("deliveries",),
)
# The last delivery to end completes its notification.
FINISH_SOME = Statement(
    update(Notification)
    .where(Notification.id == bindparam("of"))
    .values(
        pending=Notification.pending - bindparam("finished"),
        status=case(
            (
                (Notification.status == "sending")
                & (Notification.pending <= bindparam("finished")),
                "completed",
            ),
            else_=Notification.status,
        ),
        completed_at=case(
            (Notification.pending <= bindparam("finished"), bindparam("now")),
            else_=Notification.completed_at,
        ),
    ),
    Stage.totals,
    amounts=("finished",),
)

POSTPONE_JOB = Statement(
    update(JobRow).where(JobRow.id == bindparam("of")).values(due_at=bindparam("due")),
    Stage.endings,
)
END_JOB = Statement(delete(JobRow).where(JobRow.id == bindparam("of")), Stage.endings)

USE_API_KEY = Statement(
    update(ApiKey).where(ApiKey.id == bindparam("of")).values(last_used_at=bindparam("now")),
    Stage.changes,
)
REVOKE_API_KEY = Statement(
    update(ApiKey)
    .where(ApiKey.id == bindparam("of"), ApiKey.revoked_at.is_(None))
    .values(revoked_at=bindparam("now")),
    Stage.changes,
)
FORGET_IDEMPOTENCY_KEYS = Statement(
    delete(IdempotencyKey).where(IdempotencyKey.created_at < bindparam("before")), Stage.endings
)
