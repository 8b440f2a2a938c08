"""Users, sessions, families of tokens, the audit log, and what API keys may do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from flashnotify.archive.models import Id

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", Id(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("active", sa.BigInteger(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("credentials_changed_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_users_external_id", "users", ["external_id"], unique=True)
    op.create_index("ix_users_email", "users", [sa.text("lower(email)")], unique=True)
    op.create_index("ix_users_role", "users", ["role", "active"])
    op.create_table(
        "sessions",
        sa.Column("id", Id(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", Id(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sessions_token_hash", "sessions", ["token_hash"], unique=True)
    op.create_index("ix_sessions_user", "sessions", ["user_id"])
    op.create_index("ix_sessions_seen", "sessions", ["seen_at"])
    op.create_table(
        "token_families",
        sa.Column("id", Id(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_token_families_subject", "token_families", ["subject"])
    op.create_index("ix_token_families_expires", "token_families", ["expires_at"])
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    for column in ("actor", "action", "target"):
        op.create_index(f"ix_audit_{column}", "audit", [column, "number"])
    for name, type in (
        ("owner", sa.Text()),
        ("channels", sa.Text()),
        ("recipients_per_day", sa.BigInteger()),
        ("rate_limit", sa.Text()),
        ("previous_hmac", sa.LargeBinary()),
        ("previous_expires_at", sa.BigInteger()),
        ("last_used_from", sa.Text()),
        ("recipients_day", sa.Text()),
    ):
        op.add_column("api_keys", sa.Column(name, type, nullable=True))
    reached = sa.Column("recipients_reached", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("api_keys", reached)
    op.create_index("ix_notifications_sender", "notifications", ["sender", "id"])
    op.drop_index("ix_notifications_filters", "notifications")
    filters = ["id", "kind", "priority", "status", "outcome", "sender"]
    op.create_index("ix_notifications_filters", "notifications", filters)
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_{change.lower()} BEFORE {change} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'entries of the audit log are only ever added'); END"
        )
