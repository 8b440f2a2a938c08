"""Deliveries are found by every filter; outcomes and what waits are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# What a job without a turn waits for, from the reason that version 0002 gave.
_WAITING = (
    "UPDATE jobs SET waiting = CASE reason"
    " WHEN 'waits for the end of quiet hours' THEN 'quiet_hours'"
    " WHEN 'waits for the transport to work again' THEN 'breaker_open'"
    " WHEN 'scheduled' THEN 'scheduled' ELSE 'retrying' END"
    " WHERE turn IS NULL AND reason IS NOT NULL"
)
_COUNTED = (
    "EXISTS (SELECT 1 FROM counts WHERE counts.notification_id = notifications.id"
    " AND deliveries > 0 AND counts.status IN ({}))"
)
_SENT, _FAILED = _COUNTED.format("'sent', 'delivered'"), _COUNTED.format("'failed'")
# Of notifications whose last delivery has ended.
_OUTCOMES = (
    f"UPDATE notifications SET outcome = CASE WHEN {_SENT} AND {_FAILED} THEN 'some_failed'"  # noqa: S608  # our own texts
    f" WHEN {_SENT} THEN 'all_sent' WHEN {_FAILED} THEN 'all_failed' ELSE 'none' END"
    " WHERE pending <= 0"
)


def upgrade() -> None:
    op.add_column(
        "deliveries", sa.Column("kind", sa.Text(), server_default="unknown", nullable=False)
    )
    op.execute(
        "UPDATE deliveries SET kind ="
        " (SELECT kind FROM notifications WHERE notifications.id = deliveries.notification_id)"
    )
    op.add_column(
        "notifications",
        sa.Column("recipients", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.execute(
        "UPDATE notifications SET recipients = json_array_length(audience)"
        " WHERE json_valid(audience)"
    )
    op.add_column("notifications", sa.Column("outcome", sa.Text(), nullable=True))
    op.execute(_OUTCOMES)
    not_all_sent = sa.text("outcome <> 'all_sent'")
    op.create_index(
        "ix_notifications_outcome",
        "notifications",
        ["outcome", "id"],
        sqlite_where=not_all_sent,
        postgresql_where=not_all_sent,
    )
    _count_waiting()
    op.create_index("ix_deliveries_filters", "deliveries", ["kind", "channel", "status", "id"])
    op.create_index("ix_deliveries_address", "deliveries", [sa.text("lower(address)"), "id"])


def _count_waiting() -> None:
    op.add_column("jobs", sa.Column("waiting", sa.Text(), server_default="due", nullable=False))
    op.execute(_WAITING)
    held = sa.text("waiting <> 'due'")
    op.create_index(
        "ix_jobs_held",
        "jobs",
        ["channel", "priority", "waiting", "id"],
        sqlite_where=held,
        postgresql_where=held,
    )
    op.create_table(
        "waiting",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "priority", "reason"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO waiting SELECT coalesce(jobs.channel, ''), priority, waiting, count(*)"
        " FROM jobs LEFT JOIN deliveries"
        " ON deliveries.job_id = jobs.id AND deliveries.status = 'queued'"
        " WHERE jobs.channel IS NULL OR deliveries.id IS NOT NULL GROUP BY 1, 2, 3"
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_address", "deliveries")
    op.drop_index("ix_deliveries_filters", "deliveries")
    op.drop_table("waiting")
    op.drop_index("ix_jobs_held", "jobs")
    op.drop_column("jobs", "waiting")
    op.drop_index("ix_notifications_outcome", "notifications")
    op.drop_column("notifications", "outcome")
    op.drop_column("notifications", "recipients")
    op.drop_column("deliveries", "kind")
