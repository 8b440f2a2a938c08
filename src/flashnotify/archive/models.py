"""The tables, as declarative classes. They are read and written with Core, never a session.

Times are milliseconds since the Unix epoch. Ids are UUIDv7, so that primary keys are in order of
time and need no other index for that.
"""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Id(sa.TypeDecorator[UUID]):
    """A UUID: 16 bytes on SQLite, where the default is 32 characters; native elsewhere."""

    impl: Any = sa.Uuid().with_variant(sa.LargeBinary(16), "sqlite")
    cache_ok: bool | None = True

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        """Return the function that makes values for the driver, if they need one."""
        return _bytes if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> UUID | None:
        """Return the value for the program."""
        if isinstance(value, bytes):
            return UUID(bytes=value)
        if value is None or isinstance(value, UUID):
            return value
        raise ValueError("an id of the wrong type")


def _bytes(id: UUID | None) -> bytes | None:
    # Not `id.bytes`, which is slower.
    return id.int.to_bytes(16, "big") if id is not None else None


def _partial(name: str, *columns: str, where: str) -> sa.Index:
    # SQLAlchemy would load all of a dialect for its option: the migrations have PostgreSQL's.
    return sa.Index(name, *columns, sqlite_where=sa.text(where))


class Base(DeclarativeBase):
    """Base class of the tables. One without indexes is clustered by its primary key on SQLite."""

    __table_args__: Any = ({"sqlite_with_rowid": False},)
    type_annotation_map = {UUID: Id, int: sa.BigInteger, str: sa.Text, bytes: sa.LargeBinary}  # noqa: RUF012  # SQLAlchemy reads it as a class attribute


class Notification(Base):
    """What a sender asked for, once."""

    __tablename__ = "notifications"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    body: Mapped[str]
    data: Mapped[str]  # JSON object: the fields of the kind
    # JSON array, checked and without duplicates: addresses, then people, groups and combinations.
    audience: Mapped[str]
    # Addresses and people, as far as they are known: groups are resolved by the fan-out.
    recipients: Mapped[int] = mapped_column(server_default="0")
    priority: Mapped[int]
    channels: Mapped[str | None]  # JSON array; null: all channels of the kind
    locale: Mapped[str]
    send_at: Mapped[int | None]
    expires_at: Mapped[int | None]
    reference: Mapped[str | None]
    sender: Mapped[str]  # the id of the principal
    status: Mapped[str]
    accepted_at: Mapped[int]
    updated_at: Mapped[int]
    completed_at: Mapped[int | None]
    outcome: Mapped[str | None]
    expanded: Mapped[int] = mapped_column(server_default="0")  # entries of the audience fanned out
    # The last person reached by the groups of the audience, in the order of their ids.
    last_person: Mapped[UUID | None]
    texts: Mapped[str | None]  # JSON object: title and body by language
    personalised: Mapped[int] = mapped_column(server_default="0")
    acknowledge: Mapped[int] = mapped_column(server_default="0")
    reminds_of: Mapped[UUID | None]  # the notification that this one is a reminder of
    # Unfinished deliveries, plus 1 until the fan-out is done.
    pending: Mapped[int] = mapped_column(server_default="1")

    __table_args__ = (
        sa.Index("ix_notifications_kind", "kind", "id"),
        sa.Index("ix_notifications_sender", "sender", "id"),
        # These have all columns that lists filter by; the first one also tells who sent one.
        sa.Index(
            "ix_notifications_filters", "id", "kind", "priority", "status", "outcome", "sender"
        ),
        _partial(
            "ix_notifications_reference",
            *("reference", "id", "kind", "priority", "status", "outcome"),
            where="reference IS NOT NULL",
        ),
        _partial(
            "ix_notifications_unfinished",
            *("status", "id", "kind", "priority", "outcome"),
            where="status <> 'completed'",
        ),
        _partial(
            "ix_notifications_outcome",
            *("outcome", "id", "kind", "priority", "status"),
            where="outcome <> 'all_sent'",
        ),
    )


class JobRow(Base):
    """Unfinished work. A job with a turn is ready, one without waits until `due_at`."""

    __tablename__ = "jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    notification_id: Mapped[UUID] = mapped_column(sa.ForeignKey("notifications.id"))
    channel: Mapped[str | None]  # none: fan out the audience
    priority: Mapped[int]
    due_at: Mapped[int]
    turn: Mapped[int | None]
    ordinal: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str | None]  # for waiting
    waiting: Mapped[str] = mapped_column(server_default="due")  # the same, for programs

    __table_args__ = (
        _partial("ix_jobs_ready", "channel", "priority", "turn", "id", where="turn IS NOT NULL"),
        # With the turn, though it is always null, so that SQLite prefers it to the last one.
        _partial("ix_jobs_waiting", "channel", "priority", "turn", "due_at", where="turn IS NULL"),
        sa.Index("ix_jobs_oldest", "channel", "priority", "due_at"),
        # What is due is quickly done, and has the index before: it costs nothing here.
        _partial("ix_jobs_held", "channel", "priority", "waiting", "id", where="waiting <> 'due'"),
        sa.Index("ix_jobs_notification", "notification_id"),
        {"sqlite_with_rowid": False},
    )


class Delivery(Base):
    """One notification to one recipient on one channel."""

    __tablename__ = "deliveries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    notification_id: Mapped[UUID] = mapped_column(sa.ForeignKey("notifications.id"))
    job_id: Mapped[UUID]
    # The notification's, so that one index serves every filter.
    kind: Mapped[str] = mapped_column(server_default="unknown")
    channel: Mapped[str]
    address: Mapped[str]
    user_id: Mapped[UUID | None]  # the person with this address, if the audience names people
    status: Mapped[str]
    reason: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[int]
    first_attempt_at: Mapped[int | None]
    updated_at: Mapped[int]

    __table_args__ = (
        sa.Index("ix_deliveries_notification", "notification_id", "id"),
        _partial("ix_deliveries_queued", "job_id", where="status = 'queued'"),
        sa.Index("ix_deliveries_filters", "kind", "channel", "status", "id"),
        sa.Index("ix_deliveries_address", sa.text("lower(address)"), "id"),
        _partial("ix_deliveries_user", "user_id", "id", where="user_id IS NOT NULL"),
        {"sqlite_with_rowid": False},
    )


class Attempt(Base):
    """One attempt at a delivery. Rows are only ever appended."""

    __tablename__ = "attempts"

    delivery_id: Mapped[UUID] = mapped_column(sa.ForeignKey("deliveries.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[int]
    duration_ms: Mapped[float]
    transport: Mapped[str]
    outcome: Mapped[str]
    answer: Mapped[str | None]
    reference: Mapped[str | None]


class Count(Base):
    """The number of deliveries of a notification by channel and status, kept by the writes."""

    __tablename__ = "counts"

    notification_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("notifications.id"), primary_key=True
    )
    channel: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(primary_key=True)
    deliveries: Mapped[int]


class OutboxMessage(Base):
    """A message that `capture://` kept instead of sending it."""

    __tablename__ = "outbox"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    notification_id: Mapped[UUID] = mapped_column(sa.ForeignKey("notifications.id"))
    delivery_id: Mapped[UUID]
    channel: Mapped[str]
    address: Mapped[str]
    subject: Mapped[str | None]
    text: Mapped[str]
    html: Mapped[str | None]
    captured_at: Mapped[int]
    user_id: Mapped[UUID | None]  # the person with this address, as of the delivery

    __table_args__ = (sa.Index("ix_outbox_notification", "notification_id", "id"),)


class Device(Base):
    """A Web Push subscription or an ntfy topic."""

    __tablename__ = "devices"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[str]
    target: Mapped[str]  # endpoint of the subscription, or the topic
    p256dh: Mapped[str | None]
    auth: Mapped[str | None]
    label: Mapped[str | None]
    user_id: Mapped[UUID | None]  # whose it is
    created_at: Mapped[int]

    __table_args__ = (
        sa.Index("ix_devices_target", "type", "target", unique=True),
        _partial("ix_devices_user", "user_id", where="user_id IS NOT NULL"),
    )


class Event(Base):
    """A change of a notification or a delivery, numbered in commit order. Triggers write it."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    type: Mapped[str]  # "notification" or "delivery"
    notification_id: Mapped[UUID]
    delivery_id: Mapped[UUID | None]
    channel: Mapped[str | None]
    status: Mapped[str]
    at: Mapped[int]

    __table_args__ = ({"sqlite_autoincrement": True},)


class IdempotencyKey(Base):
    """The answer to the first request with an `Idempotency-Key`."""

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]  # SHA-256 of the request
    answer: Mapped[str]  # JSON
    created_at: Mapped[int]

    __table_args__ = (
        sa.Index("ix_idempotency_keys_created", "created_at"),
        {"sqlite_with_rowid": False},
    )
