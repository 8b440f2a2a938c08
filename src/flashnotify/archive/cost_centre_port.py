"""What the archive stores about who pays for SMS."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from flashnotify.archive.cost_centre_records import CostCentre, SmsUsage
from flashnotify.archive.identity_records import AuditEntry


class CostCentres(Protocol):
    """Cost centres. What they used is added up by `Notifications.accept`.

    A change comes with its entry in the audit log, and both are on disk, or neither.
    """

    async def add(self, centre: CostCentre, entry: AuditEntry) -> None:
        """Store a new cost centre. Raise `WriteRefused` if another has its slug."""

    async def change(self, centre: CostCentre, entry: AuditEntry) -> None:
        """Store a cost centre that was changed."""

    async def all(self) -> Sequence[CostCentre]:
        """Return all cost centres, by slug."""

    async def find(self, id: UUID) -> CostCentre | None:
        """Return the cost centre with an id."""

    async def find_slug(self, slug: str) -> CostCentre | None:
        """Return the cost centre with a slug."""

    async def of_user(self, user_id: UUID) -> UUID | None:
        """Return the cost centre of a person: that of the first of their groups, by slug."""

    async def usage(self, id: UUID) -> Sequence[SmsUsage]:
        """Return what a cost centre used, by month and kind."""

    async def used(self, id: UUID, month: str) -> tuple[int, int]:
        """Return the segments that a cost centre used in a month, and in all."""
