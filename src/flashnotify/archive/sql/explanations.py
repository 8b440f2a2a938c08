"""Why people get notifications, or not, in SQL."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import func, literal_column, select, tuple_

from flashnotify.archive.explanation_ports import Membership, Suspension, Trace
from flashnotify.archive.identity_models import User
from flashnotify.archive.models import JobRow
from flashnotify.archive.people_models import (
    Acknowledgement,
    DigestEntry,
    InboxMessage,
    RefusedAddress,
)
from flashnotify.archive.people_models import Membership as MembershipRow
from flashnotify.archive.sql.directory import SqlDirectory
from flashnotify.domain import USER, AudienceEntry, Combination


class SqlExplanations(SqlDirectory):
    """Implements `Explanations`."""

    async def membership(self, user_id: UUID, audience: Sequence[AudienceEntry]) -> Membership:
        people = await self._people_of(audience)
        # Without what is left out at the top of each combination.
        wider = [replace(e, none=()) if isinstance(e, Combination) else e for e in audience]
        query = select(people.among(audience).label("inside"), people.among(wider).label("wider"))
        row = await self._lists.one(query.where(User.id == user_id), {}, tuple)
        inside, all_but = (bool(row[0]), bool(row[1])) if row is not None else (False, False)
        since = select(func.max(MembershipRow.since)).where(
            MembershipRow.user_id == user_id, MembershipRow.group_id.in_(people.group_ids)
        )
        return Membership(inside, all_but and not inside, await self._lists.value(since))

    async def trace(
        self, notification_id: UUID, user_id: UUID, deliveries: Collection[UUID]
    ) -> Trace:
        of = notification_id
        job = select(func.count()).where(
            JobRow.notification_id == of, literal_column("jobs.channel IS NULL")
        )
        due = select(DigestEntry.due_at).where(
            DigestEntry.user_id == user_id, DigestEntry.notification_id == of
        )
        acknowledged = select(Acknowledgement.at).where(
            Acknowledgement.notification_id == of,
            Acknowledgement.recipient == f"{USER}:{user_id}",
        )
        read = select(InboxMessage.id, InboxMessage.read_at).where(
            InboxMessage.id.in_(deliveries), InboxMessage.read_at.is_not(None)
        )
        return Trace(
            bool(await self._lists.value(job)),
            await self._lists.value(due),
            await self._lists.value(acknowledged),
            {row.id: row.read_at for row in await self._lists.all(read, {})},
        )

    async def suspensions(self, addresses: Collection[tuple[str, str]]) -> Sequence[Suspension]:
        table = RefusedAddress
        query = select(table.channel, table.address, table.reason, table.suspended_at).where(
            tuple_(table.channel, table.address).in_(addresses), table.suspended_at.is_not(None)
        )
        return await self._lists.records(query, {}, lambda row: Suspension(*tuple(row)))
