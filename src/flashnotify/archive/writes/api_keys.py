"""Writes of API keys."""

from __future__ import annotations

import asyncio
import json

from sqlalchemy import insert

from flashnotify.archive.models import ApiKey as Table
from flashnotify.archive.reads.api_keys import ApiKeyReads
from flashnotify.archive.records import ApiKey
from flashnotify.archive.writes.changes import Stage, Statement, row_of, update_row

ADD_API_KEY = Statement(insert(Table), Stage.parents)
USE_API_KEY = update_row(Table)
REVOKE_API_KEY = update_row(Table, Table.revoked_at.is_(None))


class SqlApiKeys(ApiKeyReads):
    """Implements `ApiKeys`."""

    async def add(self, key: ApiKey) -> None:
        row = row_of(key) | {"scopes": json.dumps(sorted(key.scopes))}
        await self._writer.write((ADD_API_KEY, row))

    async def revoke(self, id: str, now: int) -> None:
        await self._writer.write((REVOKE_API_KEY, {"of": id, "revoked_at": now}))

    def record_use(self, id: str, now: int) -> asyncio.Future[None]:
        return self._writer.submit([(USE_API_KEY, {"of": id, "last_used_at": now})])
