"""The tables of people: groups, preferences, the inbox, digests, acknowledgements, SMS credit."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from flashnotify.archive.models import Base


class Group(Base):
    """A set of people, by membership, by the groups in it, by a rule over attributes, or all."""

    __tablename__ = "groups"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    external_id: Mapped[str | None]  # of the campus directory
    owner: Mapped[str | None]  # the id of the principal who created it
    rule: Mapped[str | None]  # JSON object
    joinable: Mapped[int]  # people join and leave by themselves: a topic
    kind: Mapped[str | None]  # of the notifications of a topic
    cost_centre: Mapped[UUID | None]  # that its members' SMS are charged to
    created_at: Mapped[int]

    __table_args__ = (
        sa.Index("ix_groups_slug", "slug", unique=True),
        sa.Index("ix_groups_external_id", "external_id", unique=True),
    )


class Membership(Base):
    """A person who is in a group."""

    __tablename__ = "memberships"

    group_id: Mapped[UUID] = mapped_column(sa.ForeignKey("groups.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    source: Mapped[str]  # who says so
    channels: Mapped[str | None]  # JSON array: those on which a person wants a topic
    since: Mapped[int]

    __table_args__ = (
        sa.Index("ix_memberships_user", "user_id"),
        {"sqlite_with_rowid": False},
    )


class Subgroup(Base):
    """A group whose people are all in another group."""

    __tablename__ = "subgroups"

    group_id: Mapped[UUID] = mapped_column(sa.ForeignKey("groups.id"), primary_key=True)
    child_id: Mapped[UUID] = mapped_column(sa.ForeignKey("groups.id"), primary_key=True)

    __table_args__ = (
        sa.Index("ix_subgroups_child", "child_id"),
        {"sqlite_with_rowid": False},
    )


class Preferences(Base):
    """How a person wants to be notified."""

    __tablename__ = "preferences"

    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    kinds: Mapped[str]  # JSON object: by kind, an array of channels; an empty one opts out
    quiet_hours: Mapped[str | None]  # a window in the person's time zone, such as 22:00-07:00
    digest: Mapped[str | None]  # JSON object: how often, at what time, on which day
    updated_at: Mapped[int]


class InboxMessage(Base):
    """A message of the in-app channel."""

    __tablename__ = "inbox"

    number: Mapped[int] = mapped_column(sa.Integer, primary_key=True)  # in the order of commits
    id: Mapped[UUID]  # the delivery's
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id"))
    notification_id: Mapped[UUID] = mapped_column(sa.ForeignKey("notifications.id"))
    kind: Mapped[str]
    priority: Mapped[int]
    title: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[int]
    read_at: Mapped[int | None]

    __table_args__ = (
        sa.Index("ix_inbox_id", "id", unique=True),
        sa.Index("ix_inbox_user", "user_id", "number"),
        sa.Index("ix_inbox_notification", "notification_id"),
        sa.Index("ix_inbox_unread", "user_id", "number", sqlite_where=sa.text("read_at IS NULL")),
        {"sqlite_autoincrement": True},
    )


class DigestEntry(Base):
    """A notification that waits for a person's next digest."""

    __tablename__ = "digest_entries"

    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    notification_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("notifications.id"), primary_key=True
    )
    due_at: Mapped[int]

    __table_args__ = (
        sa.Index("ix_digest_entries_due", "due_at", "user_id"),
        sa.Index("ix_digest_entries_notification", "notification_id"),
        {"sqlite_with_rowid": False},
    )


class Acknowledgement(Base):
    """A recipient's confirmation of having read a notification that asks for it."""

    __tablename__ = "acknowledgements"

    notification_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("notifications.id"), primary_key=True
    )
    recipient: Mapped[str] = mapped_column(primary_key=True)  # a URI: `user:<id>`, `mailto:…`
    channel: Mapped[str]  # of the message with the link
    at: Mapped[int]


class RefusedAddress(Base):
    """An address that was refused for good, or reported dead."""

    __tablename__ = "refused_addresses"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str]
    address: Mapped[str]
    refusals: Mapped[int]  # in a row
    reason: Mapped[str]
    refused_at: Mapped[int]
    suspended_at: Mapped[int | None]

    __table_args__ = (
        sa.Index("ix_refused_addresses_address", "address", "channel"),
        {"sqlite_with_rowid": False},
    )


class PhoneConfirmation(Base):
    """A person's new phone number, until they send back the code that was sent to it."""

    __tablename__ = "phone_confirmations"

    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    phone: Mapped[str] = mapped_column(primary_key=True)
    code_hmac: Mapped[bytes]  # empty once it is of no use any more
    tries: Mapped[int]
    sent: Mapped[int]  # codes, each within an hour of the one before
    sent_at: Mapped[int]  # the last one

    __table_args__ = (sa.Index("ix_phone_confirmations_phone", "phone"),)


class CostCentre(Base):
    """Whoever pays for SMS: how many segments they may use."""

    __tablename__ = "cost_centres"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str]
    name: Mapped[str]
    credit: Mapped[int | None]  # segments a month, or in all; NULL: no limit
    period: Mapped[str]  # "month" or "total"
    per_notification: Mapped[int | None]
    created_at: Mapped[int]

    __table_args__ = (sa.Index("ix_cost_centres_slug", "slug", unique=True),)


class SmsUsage(Base):
    """The SMS segments that a cost centre used in a month, by kind, kept by the writes."""

    __tablename__ = "sms_usage"

    cost_centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("cost_centres.id"), primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)  # such as 2026-12, in campus time
    kind: Mapped[str] = mapped_column(primary_key=True)
    segments: Mapped[int]
    messages: Mapped[int]
