"""Alembic's environment: runs the migrations on the connection that the service provides."""

from __future__ import annotations

from alembic import context

from flashnotify.archive.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    user_module_prefix="",
)
with context.begin_transaction():
    context.run_migrations()
