"""What people ask of the archive, as protocols. What `ports` says of all of them holds here."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from flashnotify.archive.identity_records import AuditEntry, User
from flashnotify.archive.people_records import (
    Acknowledgement,
    AskedRecipient,
    AudienceSlice,
    DigestEntry,
    Group,
    GroupFilter,
    Member,
    Membership,
    MembershipSource,
    PeopleSlice,
    Person,
    PhoneConfirmation,
    Preferences,
    RefusedAddress,
)
from flashnotify.archive.provisioning_ports import Provisioning
from flashnotify.archive.records import Notification, Page
from flashnotify.domain import Address, AudienceEntry


class Directory(Protocol):
    """People, as recipients, and the groups that audiences name."""

    async def people(self, ids: Collection[UUID]) -> Mapping[UUID, Person]:
        """Return the people with these ids, active or not."""

    async def identified(self, external_ids: Collection[str]) -> Mapping[str, UUID]:
        """Return the ids of the people whom the campus directory knows by `external_ids`."""

    async def groups(self, slugs: Collection[str]) -> Mapping[str, Group]:
        """Return the groups with these slugs."""

    def audience(
        self, entries: Sequence[AudienceEntry], kind: str, after: UUID | None, limit: int
    ) -> AsyncGenerator[AudienceSlice]:
        """Yield active people in any of the groups and combinations, by id, after `after`.

        At most `limit` at once. Who is in a group is read for each slice, what it consists of once.
        `kind` is that of the notification: topics of others are as any group.
        """

    async def reached_by(
        self, entries: Sequence[AudienceEntry], addresses: Collection[Address]
    ) -> Collection[Address]:
        """Return those of some addresses that belong to people in any of the entries."""

    async def count(self, entries: Sequence[AudienceEntry]) -> int:
        """Return the number of active people in any of the entries."""


class Groups(Protocol):
    """Groups, who is in them, and which are in others.

    A change comes with its entry in the audit log, and both are on disk, or neither.
    """

    async def add(self, group: Group, entry: AuditEntry) -> None:
        """Store a new group. `WriteRefused`: another has the same slug or external id."""

    async def change(self, group: Group, entry: AuditEntry) -> None:
        """Store all of a known group. Raise as `add`."""

    async def remove(self, id: UUID, entry: AuditEntry) -> None:
        """Remove a group, its memberships, and its place in other groups."""

    async def find(self, id: UUID) -> Group | None:
        """Return a group."""

    async def find_slug(self, slug: str) -> Group | None:
        """Return the group with a slug."""

    async def find_external(self, external_id: str) -> Group | None:
        """Return the group that the campus directory knows by this id."""

    async def page(self, wanted: GroupFilter, *, limit: int, cursor: str | None) -> Page[Group]:
        """Return a page of groups, newest first. It may be short and still have a next one."""

    async def members(self, id: UUID, *, limit: int, cursor: str | None) -> Page[Member]:
        """Return a page of a group's own members, the newest people first."""

    async def members_among(
        self, id: UUID, user_ids: Collection[UUID]
    ) -> Mapping[UUID, Membership]:
        """Return the memberships of those of some people who are in a group, by their ids."""

    async def of_user(self, user_id: UUID) -> Sequence[tuple[Group, Membership]]:
        """Return the groups that a person is a member of, by slug."""

    async def put_members(self, memberships: Sequence[Membership], entry: AuditEntry) -> None:
        """Store memberships; of one that there is already, only the channels change.

        `WriteRefused`: a person or the group does not exist any more.
        """

    async def remove_members(self, id: UUID, user_ids: Collection[UUID], entry: AuditEntry) -> None:
        """Remove people from a group."""

    async def subgroups(self, id: UUID) -> Sequence[Group]:
        """Return the groups that are in a group directly, by slug."""

    async def set_subgroups(
        self, id: UUID, added: Collection[UUID], removed: Collection[UUID], entry: AuditEntry
    ) -> None:
        """Put groups into a group, and take others out. `WriteRefused`: one does not exist."""

    async def below(self, ids: Collection[UUID], depth: int) -> Mapping[UUID, int]:
        """Return the groups below some, and themselves, each with how deep, up to `depth`."""

    async def above(self, ids: Collection[UUID], depth: int) -> Mapping[UUID, int]:
        """Return the groups that have some in them, and themselves, each with how far up."""

    async def named_in(self, slug: str) -> UUID | None:
        """Return a notification that is not fanned out yet and names a group; None: there is none.

        This reads the audience of every such notification.
        """


class PreferencesOfPeople(Protocol):
    """How people want to be notified. Reading them is part of reading people."""

    async def store(
        self, id: UUID, wanted: Preferences, now: int, digest_due: int | None, entry: AuditEntry
    ) -> None:
        """Store a person's preferences, and when what waits for their digest is due now.

        A change comes with its entry in the audit log, and both are on disk, or neither.
        """


class Digests(Protocol):
    """What waits for people's digests. Fan-outs add to it, and digests remove what they list."""

    async def due(self, now: int, after: DigestEntry | None, limit: int) -> Sequence[DigestEntry]:
        """Return entries that are due at `now`, the oldest first, that follow `after`."""

    async def waiting(
        self, users: Collection[UUID], now: int, limit: int
    ) -> Mapping[UUID, Sequence[Notification]]:
        """Return the notifications that are due for some people, oldest first, `limit` for each."""

    async def remove(self, entries: Sequence[DigestEntry]) -> None:
        """Remove entries that nobody is to get."""


class Acknowledgements(Protocol):
    """Who has acknowledged a notification. Recipients are `user:<id>`, or the URI of an address.

    `schemes` are those of the channels' addresses.
    """

    async def add(self, acknowledgement: Acknowledgement) -> None:
        """Store an acknowledgement; the first one of a recipient counts.

        `WriteRefused`: the notification does not exist any more.
        """

    async def among(self, id: UUID, recipients: Collection[str]) -> Mapping[str, Acknowledgement]:
        """Return those of some recipients who have acknowledged a notification."""

    async def count(self, id: UUID) -> int:
        """Return how many recipients have acknowledged a notification."""

    async def asks(self, id: UUID, user_id: UUID) -> bool:
        """Return whether a person is a recipient of a notification."""

    async def page(
        self,
        id: UUID,
        schemes: Mapping[str, str],
        *,
        acknowledged: bool | None,
        limit: int,
        cursor: str | None,
    ) -> Page[AskedRecipient]:
        """Return a page of a notification's recipients: all, or those who have, or have not."""

    async def silent(
        self, id: UUID, schemes: Mapping[str, str], after: UUID | None, limit: int
    ) -> Sequence[AskedRecipient]:
        """Return recipients who have not, by the id of their first delivery, after `after`."""


class Imports(Protocol):
    """People of the campus directory, many at once."""

    async def matching(
        self, external_ids: Collection[str], emails: Collection[str]
    ) -> Sequence[User]:
        """Return the users with any of these external ids or email addresses, in any case."""

    async def memberships(
        self, user_ids: Collection[UUID]
    ) -> Mapping[UUID, Mapping[UUID, MembershipSource]]:
        """Return the groups that people are members of, by person, and who says so."""

    async def imported(self, after: UUID | None, limit: int) -> Sequence[User]:
        """Return active people whom an import had, by id, after `after`."""

    async def all(self, after: UUID | None, limit: int) -> Sequence[tuple[User, Sequence[str]]]:
        """Return people with the slugs of their groups, by id, after `after`."""

    async def store(self, change: PeopleSlice, entries: Sequence[AuditEntry]) -> None:
        """Store changes with their audit entries.

        Raise `WriteRefused` if another has the same external id or email.
        """


class RefusedAddresses(Protocol):
    """Addresses that were refused for good. The results of deliveries change them too."""

    async def newest(self, limit: int) -> Sequence[RefusedAddress]:
        """Return those that were refused last, oldest first."""

    async def suspended(self, *, limit: int, cursor: str | None) -> Page[RefusedAddress]:
        """Return a page of those that are suspended, newest first."""

    async def store(
        self, addresses: Sequence[RefusedAddress], entry: AuditEntry | None = None
    ) -> None:
        """Store addresses, and forget those without refusals."""


class PhoneConfirmations(Protocol):
    """The codes that were sent to new phone numbers, each at most one an owner can still use."""

    async def of_user(self, user_id: UUID) -> Sequence[PhoneConfirmation]:
        """Return a person's, of all numbers."""

    async def of_phone(self, phone: str) -> Sequence[PhoneConfirmation]:
        """Return a number's, of all people."""

    async def store(self, confirmation: PhoneConfirmation) -> None:
        """Store one, and make the codes to other numbers of the person useless.

        `WriteRefused`: the person does not exist any more.
        """

    async def withdraw(self, user_id: UUID) -> None:
        """Make all codes of a person useless."""


class PeopleArchive(Protocol):
    """The part of the archive that holds people."""

    directory: Directory
    groups: Groups
    preferences: PreferencesOfPeople
    acknowledgements: Acknowledgements
    provisioning: Provisioning
    digests: Digests
    refused_addresses: RefusedAddresses
    phone_confirmations: PhoneConfirmations
