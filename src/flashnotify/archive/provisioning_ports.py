"""What provisioning asks of the archive, as a protocol. What `ports` says of all holds here."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from flashnotify.archive.directory_filters import Condition, GroupTotals, Slice
from flashnotify.archive.identity_records import User
from flashnotify.archive.people_records import Group


class Provisioning(Protocol):
    """People and groups as the campus directory, which fills them, sees them.

    Users whom it deleted are not among them.
    """

    async def users(self, wanted: Condition, part: Slice) -> tuple[int, Sequence[User]]:
        """Return how many users match, and a slice of them."""

    async def groups(self, wanted: Condition, part: Slice) -> tuple[int, Sequence[Group]]:
        """Return how many groups match, and a slice of them."""

    async def find_user(self, id: UUID) -> User | None:
        """Return a user."""

    async def deleted_users(
        self, user_name: str, external_id: str | None, email: str | None
    ) -> Sequence[User]:
        """Return deleted users who have one of these names, the oldest first."""

    async def groups_of(self, ids: Collection[UUID]) -> Mapping[UUID, Sequence[Group]]:
        """Return the groups in which people with these ids are by themselves."""

    async def members(self, group_id: UUID, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Return the ids of people who are in a group by themselves, after one of them."""

    async def totals(self, group_id: UUID) -> GroupTotals:
        """Return what tells whether the members of a group changed."""

    async def known(self, ids: Collection[UUID]) -> tuple[set[UUID], set[UUID]]:
        """Return those of some ids that are people's, and those that are groups'."""
