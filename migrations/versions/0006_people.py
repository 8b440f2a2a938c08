"""People: groups, preferences, the inbox, digests, acknowledgements, SMS credit."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from flashnotify.archive.models import Id

revision = "0006"
down_revision = "0005"


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable, server_default=default)


def _id(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, Id(), nullable=nullable)


def _where(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def upgrade() -> None:
    _groups()
    _preferences()
    _inbox()
    _acknowledgements()
    _addresses()
    _cost_centres()
    for column in (
        _id("last_person", nullable=True),
        _text("texts", nullable=True),
        _number("personalised", default="0"),
        _number("acknowledge", default="0"),
        _id("reminds_of", nullable=True),
    ):
        op.add_column("notifications", column)
    for table in ("deliveries", "devices", "outbox"):
        op.add_column(table, _id("user_id", nullable=True))
    _where("ix_deliveries_user", "deliveries", ["user_id", "id"], "user_id IS NOT NULL")
    _where("ix_devices_user", "devices", ["user_id"], "user_id IS NOT NULL")
    for name in ("first_name", "last_name", "user_name"):
        op.add_column("users", _text(name, nullable=True))
    op.add_column("users", _number("imported_at", nullable=True))
    op.add_column("users", _number("deleted_at", nullable=True))
    op.create_index("ix_users_user_name", "users", [sa.text("lower(user_name)")], unique=True)
    op.create_index("ix_users_phone", "users", ["phone"])
    op.add_column("api_keys", _id("cost_centre", nullable=True))


def _groups() -> None:
    op.create_table(
        "groups",
        _id("id"),
        _text("slug"),
        _text("name"),
        _text("description", nullable=True),
        _text("external_id", nullable=True),
        _text("owner", nullable=True),
        _text("rule", nullable=True),
        _number("joinable"),
        _text("kind", nullable=True),
        _id("cost_centre", nullable=True),
        _number("created_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_groups_slug", "groups", ["slug"], unique=True)
    op.create_index("ix_groups_external_id", "groups", ["external_id"], unique=True)
    op.create_table(
        "memberships",
        _id("group_id"),
        _id("user_id"),
        _text("source"),
        _text("channels", nullable=True),
        _number("since"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("group_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_memberships_user", "memberships", ["user_id"])
    op.create_table(
        "subgroups",
        _id("group_id"),
        _id("child_id"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"]),
        sa.ForeignKeyConstraint(["child_id"], ["groups.id"]),
        sa.PrimaryKeyConstraint("group_id", "child_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_subgroups_child", "subgroups", ["child_id"])


def _preferences() -> None:
    op.create_table(
        "preferences",
        _id("user_id"),
        _text("kinds"),
        _text("quiet_hours", nullable=True),
        _text("digest", nullable=True),
        _number("updated_at"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("user_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "digest_entries",
        _id("user_id"),
        _id("notification_id"),
        _number("due_at"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.ForeignKeyConstraint(["notification_id"], ["notifications.id"]),
        sa.PrimaryKeyConstraint("user_id", "notification_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_digest_entries_due", "digest_entries", ["due_at", "user_id"])
    op.create_index("ix_digest_entries_notification", "digest_entries", ["notification_id"])


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("number", sa.Integer(), nullable=False),
        _id("id"),
        _id("user_id"),
        _id("notification_id"),
        _text("kind"),
        _number("priority"),
        _text("title"),
        _text("body"),
        _number("created_at"),
        _number("read_at", nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.ForeignKeyConstraint(["notification_id"], ["notifications.id"]),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_id", "inbox", ["id"], unique=True)
    op.create_index("ix_inbox_user", "inbox", ["user_id", "number"])
    op.create_index("ix_inbox_notification", "inbox", ["notification_id"])
    _where("ix_inbox_unread", "inbox", ["user_id", "number"], "read_at IS NULL")


def _acknowledgements() -> None:
    op.create_table(
        "acknowledgements",
        _id("notification_id"),
        _text("recipient"),
        _text("channel"),
        _number("at"),
        sa.ForeignKeyConstraint(["notification_id"], ["notifications.id"]),
        sa.PrimaryKeyConstraint("notification_id", "recipient"),
        sqlite_with_rowid=False,
    )


def _addresses() -> None:
    op.create_table(
        "refused_addresses",
        _id("id"),
        _text("channel"),
        _text("address"),
        _number("refusals"),
        _text("reason"),
        _number("refused_at"),
        _number("suspended_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    columns = ["address", "channel"]
    op.create_index("ix_refused_addresses_address", "refused_addresses", columns)
    op.create_table(
        "phone_confirmations",
        _id("user_id"),
        _text("phone"),
        sa.Column("code_hmac", sa.LargeBinary(), nullable=False),
        _number("tries"),
        _number("sent"),
        _number("sent_at"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("user_id", "phone"),
    )
    op.create_index("ix_phone_confirmations_phone", "phone_confirmations", ["phone"])


def _cost_centres() -> None:
    op.create_table(
        "cost_centres",
        _id("id"),
        _text("slug"),
        _text("name"),
        _number("credit", nullable=True),
        _text("period"),
        _number("per_notification", nullable=True),
        _number("created_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_cost_centres_slug", "cost_centres", ["slug"], unique=True)
    op.create_table(
        "sms_usage",
        _id("cost_centre_id"),
        _text("month"),
        _text("kind"),
        _number("segments"),
        _number("messages"),
        sa.ForeignKeyConstraint(["cost_centre_id"], ["cost_centres.id"]),
        sa.PrimaryKeyConstraint("cost_centre_id", "month", "kind"),
        sqlite_with_rowid=False,
    )
