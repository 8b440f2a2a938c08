"""Cost centres and what they used, in SQL."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, func, insert, select

from flashnotify.archive.cost_centre_records import CostCentre, Period, SmsUsage
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.people_models import CostCentre as Table
from flashnotify.archive.people_models import Group, Membership
from flashnotify.archive.people_models import SmsUsage as UsageRow
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.audit import added
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, update_row, upsert

_all = select(Table.__table__)

ADD_COST_CENTRE = Statement(insert(Table), Stage.parents)
CHANGE_COST_CENTRE = update_row(Table)
ADD_SMS_USAGE = upsert(UsageRow, Stage.totals, add=("segments", "messages"))


class SqlCostCentres(Access):
    """Implements `CostCentres`."""

    async def add(self, centre: CostCentre, entry: AuditEntry) -> None:
        await self._writer.write((ADD_COST_CENTRE, row_of(centre)), added(entry))

    async def change(self, centre: CostCentre, entry: AuditEntry) -> None:
        row = row_of(centre)
        await self._writer.write((CHANGE_COST_CENTRE, {"of": row.pop("id"), **row}), added(entry))

    async def all(self) -> Sequence[CostCentre]:
        return await self._lists.records(_all.order_by(Table.slug), {}, _centre)

    async def find(self, id: UUID) -> CostCentre | None:
        return await self._reader.one(_all.where(Table.id == id), {}, _centre)

    async def find_slug(self, slug: str) -> CostCentre | None:
        return await self._reader.one(_all.where(Table.slug == slug), {}, _centre)

    async def of_user(self, user_id: UUID) -> UUID | None:
        query = (
            select(Group.cost_centre)
            .join(Membership, Membership.group_id == Group.id)
            .where(Membership.user_id == user_id, Group.cost_centre.is_not(None))
        )
        found: UUID | None = await self._reader.value(query.order_by(Group.slug).limit(1))
        return found

    async def usage(self, id: UUID) -> Sequence[SmsUsage]:
        query = select(UsageRow.__table__).where(UsageRow.cost_centre_id == id)
        query = query.order_by(UsageRow.month, UsageRow.kind)
        return await self._lists.records(query, {}, lambda row: SmsUsage(**row._mapping))

    async def used(self, id: UUID, month: str) -> tuple[int, int]:
        of_month = case((UsageRow.month == month, UsageRow.segments), else_=0)
        sums = (func.coalesce(func.sum(each), 0) for each in (of_month, UsageRow.segments))
        query = select(*sums).where(UsageRow.cost_centre_id == id)
        found = await self._reader.one(query, {}, tuple)
        month_used, all_used = found or (0, 0)
        return month_used, all_used


def charged(usage: SmsUsage) -> Change:
    """Return the change that adds what a notification uses."""
    return ADD_SMS_USAGE, row_of(usage)


def _centre(row: Row[Any]) -> CostCentre:
    return CostCentre(**{**row._mapping, "period": Period(row.period)})
