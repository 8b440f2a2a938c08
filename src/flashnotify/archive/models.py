"""The tables, as declarative classes. They are read and written through Core, never a session.

Times are milliseconds since the Unix epoch. Ids are UUIDv7, so that primary keys are in the order
of time and need no further index for it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    TypeDecorator,
    Uuid,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine


class Id(TypeDecorator[UUID]):
    """A UUID: 16 bytes on SQLite, where the default would be 32 characters; native elsewhere."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = Uuid
    cache_ok: bool | None = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column type of `dialect`."""
        return dialect.type_descriptor(LargeBinary(16) if dialect.name == "sqlite" else Uuid())

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        """What the driver gets."""
        return value.bytes if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        """What the reader gets."""
        return UUID(bytes=value) if isinstance(value, bytes) else value


class Base(DeclarativeBase):
    """Base of the tables."""

    type_annotation_map = {UUID: Id, int: BigInteger, str: Text, bytes: LargeBinary}  # noqa: RUF012  # SQLAlchemy reads it as a class attribute


class Notification(Base):
    """What a sender asked for, once."""

    __tablename__ = "notifications"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    body: Mapped[str]
    data: Mapped[str]  # JSON object: the kind's fields
    audience: Mapped[str]  # JSON array of URIs, checked and without duplicates
    priority: Mapped[int]
    channels: Mapped[str | None]  # JSON array: only these
    locale: Mapped[str]
    send_at: Mapped[int | None]
    expires_at: Mapped[int | None]
    reference: Mapped[str | None]
    sender: Mapped[str]  # the API key's id, or "local"
    status: Mapped[str]
    accepted_at: Mapped[int]
    updated_at: Mapped[int]
    completed_at: Mapped[int | None]
    expanded: Mapped[int] = mapped_column(
        server_default="0"
    )  # audience entries turned into deliveries
    pending: Mapped[int] = mapped_column(
        server_default="1"
    )  # unfinished deliveries, and the expansion

    __table_args__ = (
        Index("ix_notifications_kind", "kind", "id"),
        Index(
            "ix_notifications_reference",
            "reference",
            "id",
            sqlite_where=text("reference IS NOT NULL"),
            postgresql_where=text("reference IS NOT NULL"),
        ),
        Index(
            "ix_notifications_unfinished",
            "status",
            "id",
            sqlite_where=text("status <> 'completed'"),
            postgresql_where=text("status <> 'completed'"),
        ),
    )


class JobRow(Base):
    """Work that is not finished: what the queue's references point to. Finished work has no row."""

    __tablename__ = "jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id"))
    channel: Mapped[str | None]  # none: expand the audience
    priority: Mapped[int]
    due_at: Mapped[int]

    __table_args__ = (
        Index("ix_jobs_due", "priority", "due_at", "id"),
        Index("ix_jobs_notification", "notification_id"),
        {"sqlite_with_rowid": False},
    )


class Delivery(Base):
    """One notification to one recipient on one channel."""

    __tablename__ = "deliveries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id"))
    job_id: Mapped[UUID]
    channel: Mapped[str]
    address: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[int]
    first_attempt_at: Mapped[int | None]
    updated_at: Mapped[int]

    __table_args__ = (
        Index("ix_deliveries_notification", "notification_id", "id"),
        Index(
            "ix_deliveries_queued",
            "job_id",
            sqlite_where=text("status = 'queued'"),
            postgresql_where=text("status = 'queued'"),
        ),
        {"sqlite_with_rowid": False},
    )


class Attempt(Base):
    """One try at a delivery. Only ever appended."""

    __tablename__ = "attempts"

    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("deliveries.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[int]
    duration_ms: Mapped[float]
    transport: Mapped[str]
    outcome: Mapped[str]
    answer: Mapped[str | None]
    reference: Mapped[str | None]

    __table_args__ = ({"sqlite_with_rowid": False},)


class Count(Base):
    """How many deliveries of a notification are in each status, by channel: kept, never counted."""

    __tablename__ = "counts"

    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(primary_key=True)
    deliveries: Mapped[int]

    __table_args__ = ({"sqlite_with_rowid": False},)


class OutboxMessage(Base):
    """A message that `capture://` kept instead of sending."""

    __tablename__ = "outbox"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id"))
    delivery_id: Mapped[UUID]
    channel: Mapped[str]
    address: Mapped[str]
    subject: Mapped[str | None]
    text: Mapped[str]
    html: Mapped[str | None]
    captured_at: Mapped[int]

    __table_args__ = (Index("ix_outbox_notification", "notification_id", "id"),)


class Device(Base):
    """Something that gets push."""

    __tablename__ = "devices"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[str]
    target: Mapped[str]  # a subscription's endpoint, or an ntfy topic
    p256dh: Mapped[str | None]
    auth: Mapped[str | None]
    label: Mapped[str | None]
    created_at: Mapped[int]

    __table_args__ = (Index("ix_devices_target", "type", "target", unique=True),)


class Event(Base):
    """Something that happened, numbered in commit order. Triggers write it."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    type: Mapped[str]  # "notification" or "delivery"
    notification_id: Mapped[UUID]
    delivery_id: Mapped[UUID | None]
    channel: Mapped[str | None]
    status: Mapped[str]
    at: Mapped[int]

    __table_args__ = ({"sqlite_autoincrement": True},)


class Total(Base):
    """How many notifications were accepted and deliveries ended, by ten minutes."""

    __tablename__ = "totals"

    since: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)  # empty: notifications
    status: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]

    __table_args__ = ({"sqlite_with_rowid": False},)


class Latency(Base):
    """How long attempts took, by the minute: a row for each bucket of the histogram."""

    __tablename__ = "latencies"

    since: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    transport: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    failures: Mapped[int]

    __table_args__ = ({"sqlite_with_rowid": False},)


class ApiKey(Base):
    """A key of a sender. The secret itself is nowhere, only an HMAC of it."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret_hmac: Mapped[bytes]
    scopes: Mapped[str]  # JSON array
    max_priority: Mapped[int]
    created_at: Mapped[int]
    expires_at: Mapped[int | None]
    revoked_at: Mapped[int | None]
    last_used_at: Mapped[int | None]


class IdempotencyKey(Base):
    """The answer that a caller got for its `Idempotency-Key`."""

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]  # SHA-256 of the request
    answer: Mapped[str]  # JSON
    created_at: Mapped[int]

    __table_args__ = (
        Index("ix_idempotency_keys_created", "created_at"),
        {"sqlite_with_rowid": False},
    )
