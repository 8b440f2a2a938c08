"""Jobs take turns within the lane of their channel and priority."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from flashnotify.archive.models import Id

revision = "0002"
down_revision = "0001"

_READY = sa.text("turn IS NOT NULL")
_WAITING = sa.text("turn IS NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("turn", sa.BigInteger(), nullable=True))
    op.add_column("jobs", sa.Column("ordinal", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("reason", sa.Text(), nullable=True))
    _number_batches()
    op.drop_index("ix_jobs_due", "jobs")
    op.create_index(
        "ix_jobs_ready",
        "jobs",
        ["channel", "priority", "turn", "id"],
        sqlite_where=_READY,
        postgresql_where=_READY,
    )
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["channel", "priority", "turn", "due_at"],
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
    op.create_index("ix_jobs_oldest", "jobs", ["channel", "priority", "due_at"])


def _number_batches() -> None:
    """Give the batches of a notification on one channel their ordinals, in order of their ids.

    A backlog takes turns with later notifications by them. Most notifications have one batch,
    whose ordinal is the default.
    """
    jobs = sa.table(
        "jobs",
        sa.column("id", Id()),
        sa.column("notification_id"),
        sa.column("channel"),
        sa.column("ordinal"),
    )
    place = sa.func.row_number().over(
        partition_by=(jobs.c.notification_id, jobs.c.channel), order_by=jobs.c.id
    )
    placed = sa.select(jobs.c.id, (place - 1).label("ordinal")).subquery()
    connection = op.get_bind()
    later = connection.execute(sa.select(placed).where(placed.c.ordinal > 0)).all()
    if later:
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.id == sa.bindparam("of"))
            .values(ordinal=sa.bindparam("to")),
            [{"of": row.id, "to": row.ordinal} for row in later],
        )


def downgrade() -> None:
    for name in ("ix_jobs_oldest", "ix_jobs_waiting", "ix_jobs_ready"):
        op.drop_index(name, "jobs")
    op.create_index("ix_jobs_due", "jobs", ["priority", "due_at", "id"])
    with op.batch_alter_table("jobs") as batch_op:
        for name in ("reason", "ordinal", "turn"):
            batch_op.drop_column(name)
