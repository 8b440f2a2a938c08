"""The indexes of notifications have all columns that lists filter by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_FILTERS = ("kind", "priority", "status", "outcome")
# The first columns of each, its others, and which rows it has.
_INDEXES = (
    ("reference", _FILTERS, "reference IS NOT NULL"),
    ("unfinished", ("kind", "priority", "outcome"), "status <> 'completed'"),
    ("outcome", ("kind", "priority", "status"), "outcome <> 'all_sent'"),
)


def upgrade() -> None:
    op.create_index("ix_notifications_filters", "notifications", ["id", *_FILTERS])
    for name, others, rows in _INDEXES:
        first = "status" if name == "unfinished" else name
        op.drop_index(f"ix_notifications_{name}", "notifications")
        op.create_index(
            f"ix_notifications_{name}",
            "notifications",
            [first, "id", *others],
            sqlite_where=sa.text(rows),
            postgresql_where=sa.text(rows),
        )
