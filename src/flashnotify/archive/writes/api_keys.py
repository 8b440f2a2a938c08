"""Writes of API keys."""

from __future__ import annotations

import asyncio
import json

from sqlalchemy import bindparam, insert, update

from flashnotify.archive.access import Access
from flashnotify.archive.models import ApiKey as Table
from flashnotify.archive.records import ApiKey
from flashnotify.archive.writes.changes import Stage, Statement

ADD_API_KEY = Statement(insert(Table), Stage.parents)
USE_API_KEY = Statement(
    update(Table).where(Table.id == bindparam("of")).values(last_used_at=bindparam("now")),
    Stage.changes,
)
REVOKE_API_KEY = Statement(
    update(Table)
    .where(Table.id == bindparam("of"), Table.revoked_at.is_(None))
    .values(revoked_at=bindparam("now")),
    Stage.changes,
)


class ApiKeyWrites(Access):
    """The writes of the port `ApiKeys`."""

    async def add(self, key: ApiKey) -> None:
        row = {
            "id": key.id,
            "name": key.name,
            "secret_hmac": key.secret_hmac,
            "scopes": json.dumps(sorted(key.scopes)),
            "max_priority": int(key.max_priority),
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "revoked_at": key.revoked_at,
            "last_used_at": key.last_used_at,
        }
        await self._writer.write((ADD_API_KEY, row))

    async def revoke(self, id: str, now: int) -> None:
        await self._writer.write((REVOKE_API_KEY, {"of": id, "now": now}))

    def record_use(self, id: str, now: int) -> asyncio.Future[None]:
        return self._writer.submit([(USE_API_KEY, {"of": id, "now": now})])
