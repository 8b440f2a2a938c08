"""API keys, in SQL."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, case, insert, select, update

from flashnotify.archive.api_key_records import ApiKey, DailyRecipients
from flashnotify.archive.identity_models import ApiKey as Table
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.audit import added
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, update_row
from flashnotify.archive.sql.reading import strings
from flashnotify.archive.write_lanes import WriteLane
from flashnotify.domain import Priority

_find = select(Table.__table__).where(Table.id == bindparam("of"))
_all = select(Table.__table__).order_by(Table.created_at, Table.id)

ADD_API_KEY = Statement(insert(Table), Stage.parents)
USE_API_KEY = update_row(Table)
REVOKE_API_KEY = update_row(Table, Table.revoked_at.is_(None))
ROTATE_API_KEY = update_row(
    Table,
    previous_hmac=Table.secret_hmac,
    previous_expires_at=bindparam("until"),
    secret_hmac=bindparam("new"),
)
_reached: BindParameter[int] = bindparam("recipients")
COUNT_RECIPIENTS = Statement(
    update(Table)
    .where(Table.id == bindparam("of"))
    .values(
        recipients_reached=case(
            (Table.recipients_day == bindparam("day"), Table.recipients_reached + _reached),
            else_=_reached,
        ),
        recipients_day=bindparam("day"),
    ),
    Stage.totals,
    amounts=("recipients",),
)


class SqlApiKeys(Access):
    """Implements `ApiKeys`."""

    async def find(self, id: str) -> ApiKey | None:
        """Return a key. One whose scopes cannot be read has none."""
        return await self._reader.one(_find, {"of": id}, _api_key)

    async def all(self) -> Sequence[ApiKey]:
        return await self._lists.records(_all, {}, _api_key)

    async def add(self, key: ApiKey, entry: AuditEntry) -> None:
        channels = None if key.channels is None else json.dumps(sorted(key.channels))
        row = row_of(key) | {"scopes": json.dumps(sorted(key.scopes)), "channels": channels}
        await self._writer.write((ADD_API_KEY, row), added(entry))

    async def rotate(self, id: str, secret_hmac: bytes, until: int, entry: AuditEntry) -> None:
        row = {"of": id, "new": secret_hmac, "until": until}
        await self._writer.write((ROTATE_API_KEY, row), added(entry))

    async def revoke(self, id: str, now: int, entry: AuditEntry) -> None:
        await self._writer.write((REVOKE_API_KEY, {"of": id, "revoked_at": now}), added(entry))

    def record_use(self, id: str, now: int, address: str | None) -> asyncio.Future[None]:
        change = (USE_API_KEY, {"of": id, "last_used_at": now, "last_used_from": address})
        return self._writer.submit([change], WriteLane.bulk)


def counted(reached: DailyRecipients) -> Change:
    """Return the change that counts recipients."""
    day, number = reached.day, reached.recipients
    return COUNT_RECIPIENTS, {"of": reached.key_id, "day": day, "recipients": number}


def _api_key(row: Row[Any]) -> ApiKey:
    known = {
        "scopes": _set(row.scopes),
        "channels": None if row.channels is None else _set(row.channels),
        "max_priority": Priority(row.max_priority),
    }
    return ApiKey(**{**row._mapping, **known})


def _set(column: str) -> frozenset[str]:
    """Return the strings of a column; none if it cannot be read: what is unknown allows nothing."""
    try:
        return frozenset(strings(column))
    except ValueError:
        return frozenset()
