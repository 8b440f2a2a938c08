"""Every write there is: Core statements, each with its place in a commit."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Text,
    bindparam,
    case,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from flashnotify.archive.models import (
    ApiKey,
    Attempt,
    Count,
    Delivery,
    Device,
    Event,
    IdempotencyKey,
    JobRow,
    Latency,
    Notification,
    OutboxMessage,
    Total,
)
from flashnotify.archive.writes.changes import Stage, Statement

ADD_NOTIFICATION = Statement(insert(Notification), Stage.parents)
ADD_DELIVERY = Statement(insert(Delivery), Stage.deliveries)
ADD_JOB = Statement(insert(JobRow), Stage.children)
ADD_ATTEMPT = Statement(insert(Attempt), Stage.children)
ADD_OUTBOX_MESSAGE = Statement(insert(OutboxMessage), Stage.children)
ADD_IDEMPOTENCY_KEY = Statement(insert(IdempotencyKey), Stage.children)
ADD_API_KEY = Statement(insert(ApiKey), Stage.parents)

_device = upsert(Device).values(
    {column: bindparam(column.name) for column in Device.__table__.columns}
)
# The same subscription or topic again: its keys may be new, its id stays.
REGISTER_DEVICE = Statement(
    _device.on_conflict_do_update(
        index_elements=["type", "target"],
        set_={name: _device.excluded[name] for name in ("p256dh", "auth", "label")},
    ),
    Stage.parents,
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
# What was cancelled meanwhile stays so: its deliveries then end as cancelled.
_open = Notification.status.in_(("scheduled", "queued", "sending"))
EXPAND_NOTIFICATION = Statement(
    update(Notification)
    .where(Notification.id == bindparam("of"))
    .values(
        status=case((_open, "sending"), else_=Notification.status),
        updated_at=bindparam("now"),
        expanded=bindparam("upto"),
        pending=Notification.pending + bindparam("more"),
    ),
    Stage.changes,
)
EXPIRE_NOTIFICATION = Statement(
    update(Notification)
    .where(Notification.id == bindparam("of"), _open)
    .values(
        status="expired", pending=0, updated_at=bindparam("now"), completed_at=bindparam("now")
    ),
    Stage.changes,
)
# Its time ran out before all of its deliveries were done. The last of them to end completes it.
MARK_EXPIRED = Statement(
    update(Notification)
    .where(Notification.id == bindparam("of"), Notification.status == "sending")
    .values(status="expired", updated_at=bindparam("now")),
    Stage.changes,
)

CANCEL_NOTIFICATION = Statement(
    update(Notification)
    .where(Notification.id == bindparam("of"), Notification.completed_at.is_(None))
    .values(status="cancelled", updated_at=bindparam("now"), completed_at=bindparam("now")),
    Stage.changes,
)
HASTEN_JOBS = Statement(
    update(JobRow)
    .where(JobRow.notification_id == bindparam("notification"))
    .values(due_at=bindparam("now")),
    Stage.orders,
)
REQUEUE_DELIVERY = Statement(
    update(Delivery)
    .where(Delivery.id == bindparam("of"), Delivery.status == "failed")
    .values(
        status="queued",
        job_id=bindparam("job"),
        reason=None,
        due_at=bindparam("now"),
        # The time to give up counts from the first attempt after this.
        first_attempt_at=None,
        updated_at=bindparam("now"),
    ),
    Stage.changes,
)
REOPEN_NOTIFICATION = Statement(
    update(Notification)
    .where(Notification.id == bindparam("of"))
    .values(status="sending", completed_at=None, pending=Notification.pending + bindparam("more")),
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
_total = upsert(Total).values(
    since=bindparam("since"),
    kind=bindparam("kind"),
    channel=bindparam("channel"),
    status=bindparam("status"),
    number=bindparam("number"),
)
ADD_TOTAL = Statement(
    _total.on_conflict_do_update(
        index_elements=["since", "kind", "channel", "status"],
        set_={"number": Total.number + _total.excluded.number},
    ),
    Stage.totals,
    amounts=("number",),
)
_latency = upsert(Latency).values(
    since=bindparam("since"),
    channel=bindparam("channel"),
    transport=bindparam("transport"),
    bucket=bindparam("bucket"),
    attempts=bindparam("attempts"),
    failures=bindparam("failures"),
)
ADD_LATENCY = Statement(
    _latency.on_conflict_do_update(
        index_elements=["since", "channel", "transport", "bucket"],
        set_={
            "attempts": Latency.attempts + _latency.excluded.attempts,
            "failures": Latency.failures + _latency.excluded.failures,
        },
    ),
    Stage.totals,
    amounts=("attempts", "failures"),
)
# A report of a gateway on a delivery counts only while it is `sent`. Counts move before the status
# does, which is what they go by.
_sent = select(
    Delivery.notification_id,
    Delivery.channel,
    bindparam("counted", type_=Text),
    bindparam("number", type_=BigInteger),
).where(Delivery.id == bindparam("of"), Delivery.status == "sent")
_moved = upsert(Count).from_select(["notification_id", "channel", "status", "deliveries"], _sent)
MOVE_SENT_COUNT = Statement(
    _moved.on_conflict_do_update(
        index_elements=["notification_id", "channel", "status"],
        set_={"deliveries": Count.deliveries + _moved.excluded.deliveries},
    ),
    Stage.children,
)
CONFIRM_DELIVERY = Statement(
    update(Delivery)
    .where(Delivery.id == bindparam("of"), Delivery.status == "sent")
    .values(status="delivered", reason=None, updated_at=bindparam("now")),
    Stage.changes,
)
NOTE_UNDELIVERABLE = Statement(
    update(Delivery)
    .where(Delivery.id == bindparam("of"), Delivery.status == "sent")
    .values(reason=bindparam("why"), updated_at=bindparam("now")),
    Stage.changes,
)
# The last delivery to end completes its notification.
FINISH_SOME = Statement(
    update(Notification)
    .where(Notification.id == bindparam("of"))
    .values(
        updated_at=bindparam("now"),
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
# Forgetting: what refers goes before what is referred to, in the order of each write.
FORGET_ATTEMPTS = Statement(
    delete(Attempt).where(Attempt.delivery_id == bindparam("of")), Stage.endings
)
FORGET_DELIVERY = Statement(delete(Delivery).where(Delivery.id == bindparam("of")), Stage.endings)
FORGET_OUTBOX_MESSAGE = Statement(
    delete(OutboxMessage).where(OutboxMessage.id == bindparam("of")), Stage.endings
)
FORGET_COUNTS = Statement(
    delete(Count).where(Count.notification_id == bindparam("of")), Stage.endings
)
FORGET_JOBS = Statement(
    delete(JobRow).where(JobRow.notification_id == bindparam("of")), Stage.endings
)
FORGET_NOTIFICATION = Statement(
    delete(Notification).where(Notification.id == bindparam("of")), Stage.endings
)
FORGET_EVENTS = Statement(delete(Event).where(Event.id < bindparam("before")), Stage.endings)
FORGET_TOTALS = Statement(delete(Total).where(Total.since < bindparam("before")), Stage.endings)
FORGET_LATENCIES = Statement(
    delete(Latency).where(Latency.since < bindparam("before")), Stage.endings
)
FORGET_IDEMPOTENCY_KEY = Statement(
    delete(IdempotencyKey).where(
        IdempotencyKey.caller == bindparam("caller"), IdempotencyKey.key == bindparam("key")
    ),
    Stage.endings,
)
