"""What people ask of the archive, as protocols. What `ports` says of all of them holds here."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from flashnotify.archive.identity_records import AuditEntry, User
from flashnotify.archive.people_records import Group, MembershipSource, PeopleSlice, Person
from flashnotify.domain import Address, AudienceEntry


class Directory(Protocol):
    """People, as recipients, and the groups that audiences name."""

    async def people(self, ids: Collection[UUID]) -> Mapping[UUID, Person]:
        """Return the people with these ids, active or not."""

    async def identified(self, external_ids: Collection[str]) -> Mapping[str, UUID]:
        """Return the ids of the people whom the campus directory knows by `external_ids`."""

    async def groups(self, slugs: Collection[str]) -> Mapping[str, Group]:
        """Return the groups with these slugs."""

    async def audience(
        self, entries: Sequence[AudienceEntry], after: UUID | None, limit: int
    ) -> Sequence[Person]:
        """Return active people in any of the groups and combinations, by id, after `after`."""

    async def reached_by(
        self, entries: Sequence[AudienceEntry], addresses: Collection[Address]
    ) -> Collection[Address]:
        """Return those of some addresses that belong to people in any of the entries."""

    async def count(self, entries: Sequence[AudienceEntry]) -> int:
        """Return the number of active people in any of the entries."""


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


class PeopleArchive(Protocol):
    """The part of the archive that holds people."""

    directory: Directory
