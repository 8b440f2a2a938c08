"""Deliveries are found by recipient, kind, channel and status over all notifications."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


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
    op.create_index("ix_deliveries_filters", "deliveries", ["kind", "channel", "status", "id"])
    op.create_index("ix_deliveries_address", "deliveries", [sa.text("lower(address)"), "id"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_address", "deliveries")
    op.drop_index("ix_deliveries_filters", "deliveries")
    op.drop_column("notifications", "recipients")
    op.drop_column("deliveries", "kind")
