"""Deliveries are found by recipient, kind, channel and status over all notifications."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

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
    op.create_index("ix_deliveries_filters", "deliveries", ["kind", "channel", "status", "id"])
    op.create_index("ix_deliveries_address", "deliveries", [sa.text("lower(address)"), "id"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_address", "deliveries")
    op.drop_index("ix_deliveries_filters", "deliveries")
    op.drop_index("ix_notifications_outcome", "notifications")
    op.drop_column("notifications", "outcome")
    op.drop_column("notifications", "recipients")
    op.drop_column("deliveries", "kind")
