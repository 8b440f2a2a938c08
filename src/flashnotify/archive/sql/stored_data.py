"""What the archive holds about a person, in SQL."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select

from flashnotify.archive import people_models as people
from flashnotify.archive.erasure_port import addresses_of
from flashnotify.archive.identity_models import AuditEntry, Session, TokenFamily
from flashnotify.archive.identity_records import User
from flashnotify.archive.models import Delivery, Device, Notification
from flashnotify.archive.sql.access import Access

_SOME = 200


class StoredData(Access):
    """Reads all rows about a person, without secrets."""

    async def stored(self, user: User) -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        """Yield rows about a person, some at a time, each with the name of what they are."""
        for name, query, key in self._queries(user, await self._devices(user)):
            ordered, after = query.order_by(key), None
            while True:
                page = ordered if after is None else ordered.where(key > after)
                rows = await self._lists.all(page.limit(_SOME), {})
                yield name, [dict(row._mapping) for row in rows]
                if len(rows) < _SOME:
                    break
                after = rows[-1]._mapping[key.name]

    async def _devices(self, user: User) -> Sequence[UUID]:
        query = select(Device.id).where(Device.user_id == user.id)
        return [row.id for row in await self._lists.all(query, {})]

    def _queries(
        self, user: User, devices: Sequence[UUID]
    ) -> Sequence[tuple[str, Select[Any], Any]]:
        """Return what to read, by name, with the column that orders it."""
        subject = f"user:{user.id}"
        group: Any = select(people.Group.slug, people.Group.name).add_columns(
            people.Membership.group_id, people.Membership.source, people.Membership.since
        )
        audit: Any = select(AuditEntry.number, AuditEntry.at, AuditEntry.actor, AuditEntry.action)
        audit = audit.add_columns(AuditEntry.target, AuditEntry.address, AuditEntry.details)
        return (
            (
                "groups",
                group.join(people.Membership, people.Membership.group_id == people.Group.id).where(
                    people.Membership.user_id == user.id
                ),
                people.Membership.group_id,
            ),
            _all("preferences", people.Preferences, people.Preferences.user_id, user),
            _all("devices", Device, Device.id, user, "p256dh", "auth"),
            _all("sessions", Session, Session.id, user, "token_hash"),
            (
                "tokens",
                _without(TokenFamily, "generation").where(TokenFamily.subject == subject),
                TokenFamily.id,
            ),
            ("deliveries", _deliveries(_to(user, devices)), Delivery.id),
            _all("inbox", people.InboxMessage, people.InboxMessage.id, user),
            _all("digests", people.DigestEntry, people.DigestEntry.notification_id, user),
            _all(
                "phone_confirmations",
                *(people.PhoneConfirmation, people.PhoneConfirmation.phone, user, "code_hmac"),
            ),
            (
                "acknowledgements",
                _without(people.Acknowledgement).where(
                    people.Acknowledgement.recipient.in_(_recipients(user))
                ),
                people.Acknowledgement.notification_id,
            ),
            (
                "audit",
                audit.where(or_(AuditEntry.actor == subject, AuditEntry.target == subject)),
                AuditEntry.number,
            ),
        )


def _without(table: type[Any], *secret: str) -> Select[Any]:
    return select(*(c for c in table.__table__.columns if c.name not in secret))


def _all(
    name: str, table: type[Any], key: Any, user: User, *secret: str
) -> tuple[str, Select[Any], Any]:
    return name, _without(table, *secret).where(table.user_id == user.id), key


def _deliveries(which: ColumnElement[bool]) -> Select[Any]:
    columns = (Delivery.id, Delivery.channel, Delivery.address, Delivery.status, Delivery.reason)
    more = (Delivery.first_attempt_at, Delivery.updated_at, Delivery.notification_id)
    told = (Notification.kind, Notification.title, Notification.accepted_at)
    every: Sequence[Any] = (*columns, *more, *told)
    query: Select[Any] = select(*every)
    return query.join(Notification, Notification.id == Delivery.notification_id).where(which)


def _to(user: User, devices: Sequence[UUID]) -> ColumnElement[bool]:
    held = func.lower(Delivery.address).in_(addresses_of(user, devices))
    return or_(Delivery.user_id == user.id, held)


def _recipients(user: User) -> Sequence[str]:
    found = [f"user:{user.id}"]
    found += [f"mailto:{user.email}"] if user.email else []
    return found + ([f"tel:{user.phone}"] if user.phone else [])
