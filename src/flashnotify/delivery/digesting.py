"""Digests: what a person reads in one message, at a time that they chose, and not one by one."""

from typing import NamedTuple
from zoneinfo import ZoneInfo

from flashnotify.archive.people_records import DigestEntry
from flashnotify.archive.records import Finish, Notification
from flashnotify.delivery.routing import Route
from flashnotify.domain import USER, DeliveryStatus, Priority, milliseconds, moment
from flashnotify.people.local_time import next_digest, zone_of


class Digested(NamedTuple):
    """What waits for a digest, and how the delivery that it replaces ends."""

    entry: DigestEntry
    end: Finish


def digested(
    route: Route, notification: Notification, campus: ZoneInfo, now: int
) -> Digested | None:
    """Return the entry in a person's digest that replaces a delivery; None: it goes by itself.

    So do an inbox's, what asks to be acknowledged, and what would expire before the digest.
    """
    person = route.person
    when = None if person is None else person.preferences.digest
    if person is None or when is None or notification.priority is not Priority.low:
        return None
    if route.address.scheme == USER or notification.acknowledge:
        return None
    zone = zone_of(person.timezone, campus)
    at = next_digest(when, zone, moment(now))
    due_at, expires_at = milliseconds(at), notification.expires_at
    if expires_at is not None and expires_at <= due_at:
        return None
    local = f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
    end = Finish(DeliveryStatus.skipped, f"goes into the {when.every} digest of {local}")
    return Digested(DigestEntry(person.id, notification.id, due_at), end)
