"""Erases a person from the archive, in SQL."""

import json
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, update

from flashnotify.archive import people_models as people
from flashnotify.archive.erasure_port import ERASED, TracedDelivery, addresses_of
from flashnotify.archive.identity_models import Session, TokenFamily
from flashnotify.archive.identity_models import User as UserRow
from flashnotify.archive.identity_records import AuditEntry, User
from flashnotify.archive.models import Attempt, Delivery, Device, Notification, OutboxMessage
from flashnotify.archive.sql.audit import added
from flashnotify.archive.sql.changes import Change, Stage, Statement, update_row
from flashnotify.archive.sql.stored_data import StoredData
from flashnotify.archive.write_lanes import WriteLane
from flashnotify.domain import DeliveryStatus

_delivery: Any = bindparam("of")
FORGET_DELIVERY = update_row(Delivery, address=ERASED, user_id=None, reason=None)
FORGET_ANSWERS = Statement(
    update(Attempt).where(Attempt.delivery_id == _delivery).values(answer=None), Stage.endings
)
FORGET_MESSAGES = Statement(
    delete(OutboxMessage).where(
        OutboxMessage.notification_id == bindparam("notification"),
        OutboxMessage.delivery_id == _delivery,
    ),
    Stage.endings,
)
FORGET_AUDIENCE = update_row(Notification)
_person: Any = bindparam("person")
_address: Any = bindparam("address")
_ack = people.Acknowledgement


def _of_person(table: type[Any]) -> Statement:
    return Statement(delete(table).where(table.user_id == _person), Stage.endings)


_OWNED = (
    *(people.Membership, people.Preferences, people.InboxMessage, people.DigestEntry),
    *(people.PhoneConfirmation, Session, Device),
)
REMOVALS = tuple(map(_of_person, _OWNED))
REMOVE_TOKENS = Statement(
    delete(TokenFamily).where(TokenFamily.subject == bindparam("subject")), Stage.endings
)
REMOVE_REFUSALS = Statement(
    delete(people.RefusedAddress).where(func.lower(people.RefusedAddress.address) == _address),
    Stage.endings,
)
KEEP_ACKNOWLEDGEMENT = Statement(
    update(_ack)
    .where(func.lower(_ack.recipient) == _address)
    .values(recipient=bindparam("subject"))
    .prefix_with("OR IGNORE"),
    Stage.changes,
)
REMOVE_ACKNOWLEDGEMENT = Statement(
    delete(_ack).where(func.lower(_ack.recipient) == _address), Stage.endings
)
REMOVE_USER = Statement(delete(UserRow).where(UserRow.id == _person), Stage.joining)
# Notifications whose audiences are read at once.
_SOME = 2000


class SqlPersonalData(StoredData):
    """Implements `PersonalData`."""

    async def deliveries(self, user: User, limit: int) -> Sequence[TracedDelivery]:
        columns = (Delivery.id, Delivery.notification_id, Delivery.status)
        found: list[TracedDelivery] = []
        for which in await self.to(user):
            for row in await self._lists.all(select(*columns).where(which).limit(limit), {}):
                queued = row.status == DeliveryStatus.queued
                found.append(TracedDelivery(row.id, row.notification_id, queued))
        return found[:limit]

    async def to(self, user: User) -> Sequence[ColumnElement[bool]]:
        """Return conditions for deliveries to a person, each answered by one index."""
        query = select(Device.id).where(Device.user_id == user.id)
        devices = [row.id for row in await self._lists.all(query, {})]
        address = func.lower(Delivery.address)
        return [
            Delivery.user_id == user.id,
            *(address == each for each in addresses_of(user, devices)),
        ]

    async def forget_deliveries(self, deliveries: Sequence[TracedDelivery]) -> None:
        changes: list[Change] = []
        for each in deliveries:
            changes += [
                (FORGET_DELIVERY, {"of": each.id}),
                (FORGET_ANSWERS, {"of": each.id}),
                (FORGET_MESSAGES, {"of": each.id, "notification": each.notification_id}),
            ]
        # Results of theirs wait in one of these lanes.
        for lane in (WriteLane.urgent, WriteLane.bulk):
            await self._writer.write(*changes, lane=lane)

    async def forget_in_audiences(self, user: User) -> None:
        uris = _uris(user)
        if not uris:
            return
        written = "|".join(re.escape(json.dumps(uri, ensure_ascii=False)) for uri in uris)
        named, text = re.compile(written, re.IGNORECASE), func.lower(Notification.audience)
        has = or_(*(func.instr(text, uri.lower()) > 0 for uri in uris))
        after: UUID | None = UUID(int=0)
        while after is not None:
            # In ranges of ids: no index has what is in an audience.
            ids = select(Notification.id).where(Notification.id > after).order_by(Notification.id)
            last = await self._lists.value(ids.offset(_SOME - 1).limit(1))
            query = select(Notification.id, Notification.audience).where(has)
            query = query.where(Notification.id > after)
            if last is not None:
                query = query.where(Notification.id <= last)
            for row in await self._lists.all(query, {}):
                audience = named.sub(json.dumps(f"user:{user.id}"), row.audience)
                change = (FORGET_AUDIENCE, {"of": row.id, "audience": audience})
                await self._writer.write(change, lane=WriteLane.bulk)
            after = last

    async def remove(self, user: User, entry: AuditEntry) -> None:
        subject, person = f"user:{user.id}", {"person": user.id}
        changes: list[Change] = [(each, person) for each in REMOVALS]
        changes.append((REMOVE_TOKENS, {"subject": subject}))
        changes += [(REMOVE_REFUSALS, {"address": each}) for each in addresses_of(user, ())]
        for uri in _uris(user):
            row = {"address": uri.lower()}
            changes.append((KEEP_ACKNOWLEDGEMENT, row | {"subject": subject}))
            changes.append((REMOVE_ACKNOWLEDGEMENT, row))
        changes.append((REMOVE_USER, person))
        await self._writer.write(*changes, added(entry), lane=WriteLane.long_answer)

    async def truncate_log(self) -> bool:
        return await self._writer.truncate_log()


def _uris(user: User) -> Sequence[str]:
    return [f"{s}:{a}" for s, a in (("mailto", user.email), ("tel", user.phone)) if a]
