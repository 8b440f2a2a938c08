"""How people want to be notified, in SQL."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import time
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, update

from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.people_models import DigestEntry
from flashnotify.archive.people_models import Preferences as Table
from flashnotify.archive.people_records import DigestInterval, DigestTime, Preferences
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.audit import added
from flashnotify.archive.sql.changes import Change, Stage, Statement, upsert
from flashnotify.domain import Window

STORE_PREFERENCES = upsert(
    Table, Stage.children, replace=("kinds", "quiet_hours", "digest", "updated_at")
)
# After the entries that a fan-out adds in the same commit.
MOVE_DIGEST = Statement(
    update(DigestEntry)
    .where(DigestEntry.user_id == bindparam("of"))
    .values(due_at=bindparam("due")),
    Stage.changes,
)


class SqlPreferences(Access):
    """Implements `Preferences`."""

    async def store(
        self, id: UUID, wanted: Preferences, now: int, digest_due: int | None, entry: AuditEntry
    ) -> None:
        row = {
            "user_id": id,
            "kinds": json.dumps({kind: sorted(names) for kind, names in wanted.kinds.items()}),
            "quiet_hours": None if wanted.quiet_hours is None else str(wanted.quiet_hours),
            "digest": None if wanted.digest is None else _digest_text(wanted.digest),
            "updated_at": now,
        }
        changes: list[Change] = [(STORE_PREFERENCES, row), added(entry)]
        if digest_due is not None:
            changes.append((MOVE_DIGEST, {"of": id, "due": digest_due}))
        await self._writer.write(*changes)


def preferences_of(row: Row[Any]) -> Preferences:
    """Return a person's preferences: those that cannot be read are the defaults."""
    if row.kinds is None:
        return Preferences()
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        kinds = {kind: frozenset(names) for kind, names in json.loads(row.kinds).items()}
        hours = None if row.quiet_hours is None else _window(row.quiet_hours)
        digest = None if row.digest is None else _digest(json.loads(row.digest))
        return Preferences(kinds, hours, digest)
    return Preferences()


def _window(text: str) -> Window:
    begin, _, end = text.partition("-")
    return Window(time.fromisoformat(begin), time.fromisoformat(end))


def _digest(value: Mapping[str, Any]) -> DigestTime:
    at = time.fromisoformat(value["at"])
    return DigestTime(DigestInterval(value["every"]), at, int(value["weekday"]))


def _digest_text(digest: DigestTime) -> str:
    at = f"{digest.at:%H:%M}"
    return json.dumps({"every": digest.every, "at": at, "weekday": digest.weekday})
