"""What the archive holds about people, as frozen records. Times are ms since the epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from flashnotify.archive.identity_records import User
from flashnotify.domain import Priority, Window


class MembershipSource(StrEnum):
    """Who says that a person is in a group."""

    manual = "manual"
    imported = "imported"
    scim = "scim"
    self = "self"


@dataclass(frozen=True, slots=True)
class Group:
    """A set of people: its members, those of its subgroups, and those whom its `rule` matches.

    People join and leave a `joinable` one by themselves: it is a topic, whose notifications are of
    `kind`. The SMS of its members are charged to its `cost_centre`.
    """

    id: UUID
    slug: str
    name: str
    created_at: int
    description: str | None = None
    external_id: str | None = None
    owner: str | None = None
    rule: Mapping[str, Any] | None = None
    joinable: bool = False
    kind: str | None = None
    cost_centre: UUID | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """A person who is in a group. `channels`: those on which they want it; None: all."""

    group_id: UUID
    user_id: UUID
    source: MembershipSource
    since: int
    channels: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A membership, with what a list shows of the person."""

    membership: Membership
    name: str
    external_id: str | None
    active: bool


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Which groups a list shows. `search`: part of a slug, a name or an external id."""

    search: str | None = None
    joinable: bool | None = None


@dataclass(frozen=True, slots=True)
class PeopleSlice:
    """Changes of some people that are stored together: users, and who joins and leaves groups.

    `groups` are new ones. `left` has pairs of a group's id and a person's.
    """

    groups: Sequence[Group] = ()
    added: Sequence[User] = ()
    changed: Sequence[User] = ()
    joined: Sequence[Membership] = ()
    left: Sequence[tuple[UUID, UUID]] = ()


class DigestInterval(StrEnum):
    """How often a digest comes."""

    daily = "daily"
    weekly = "weekly"


@dataclass(frozen=True, slots=True)
class DigestTime:
    """When a digest comes, in the person's time zone. `weekday`: 1 is Monday (ISO 8601)."""

    every: DigestInterval
    at: time
    weekday: int = 1


@dataclass(frozen=True, slots=True)
class DigestEntry:
    """A notification that waits for a person's digest, until `due_at`."""

    user_id: UUID
    notification_id: UUID
    due_at: int = 0


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a person wants to be notified.

    `kinds` has the channels that were chosen for a kind: none of them opts out of it. For the
    others, the kind's defaults hold. Low notifications wait for a `digest`, if there is one.
    """

    kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    quiet_hours: Window | None = None
    digest: DigestTime | None = None


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """A message in a person's inbox. Its `id` is that of its delivery."""

    id: UUID
    user_id: UUID
    notification_id: UUID
    kind: str
    priority: Priority
    title: str
    body: str
    created_at: int
    read_at: int | None = None


@dataclass(frozen=True, slots=True)
class RefusedAddress:
    """An address that was refused for good so many times in a row; 0: not any more."""

    id: UUID
    channel: str
    address: str
    refusals: int
    reason: str
    refused_at: int
    suspended_at: int | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """What is needed to reach a person. `devices` are those that get push.

    Who is reached through topics alone may have chosen channels for these: `topic_channels`.
    """

    id: UUID
    name: str
    active: bool = True
    external_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    timezone: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    devices: Sequence[UUID] = ()
    preferences: Preferences = field(default_factory=Preferences)
    topic_channels: frozenset[str] | None = None

    def addresses(self, scheme: str) -> Sequence[str]:
        """Return the person's addresses of a URI scheme, as deliveries have them."""
        if scheme == "push":
            return [str(id) for id in self.devices]
        found = {"mailto": self.email, "tel": self.phone, "user": str(self.id)}.get(scheme)
        return [found] if found is not None else []


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A recipient's confirmation of having read a notification, by a message on `channel`."""

    notification_id: UUID
    recipient: str
    channel: str
    at: int


@dataclass(frozen=True, slots=True)
class AskedRecipient:
    """A recipient of a notification, with the id of their first delivery.

    If they have acknowledged it: when, and by a message on which channel.
    """

    id: UUID
    recipient: str
    user_id: UUID | None
    acknowledged_at: int | None
    channel: str | None


@dataclass(frozen=True, slots=True)
class PhoneConfirmation:
    """A person's new number and the HMAC of the code that went to it, empty once of no use.

    `sent` counts codes, each within an hour of the one before; the last one went at `sent_at`.
    """

    user_id: UUID
    phone: str
    code_hmac: bytes
    tries: int
    sent: int
    sent_at: int


class AudienceSlice(NamedTuple):
    """Some people in groups, and the last one looked at: those before are done."""

    people: Sequence[Person]
    last: UUID | None
    finished: bool
