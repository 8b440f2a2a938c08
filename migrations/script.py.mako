"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from flashnotify.archive.models import Id
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Upgrade to this revision."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Downgrade from this revision."""
    ${downgrades if downgrades else "pass"}
