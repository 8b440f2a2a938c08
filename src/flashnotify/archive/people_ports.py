"""What people ask of the archive, as protocols. What `ports` says of all of them holds here."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.people_records import Group, Person, Preferences
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


class PreferencesOfPeople(Protocol):
    """How people want to be notified. Reading them is part of reading people."""

    async def store(
        self, id: UUID, wanted: Preferences, now: int, digest_due: int | None, entry: AuditEntry
    ) -> None:
        """Store a person's preferences, and when what waits for their digest is due now.

        A change comes with its entry in the audit log, and both are on disk, or neither.
        """


class PeopleArchive(Protocol):
    """The part of the archive that holds people."""

    directory: Directory
    preferences: PreferencesOfPeople
