"""What the erasure of a person, and the export of what is stored about one, ask of the archive."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from flashnotify.archive.identity_records import AuditEntry, User

# In place of the address of a person who was erased.
ERASED = "erased"


class TracedDelivery(NamedTuple):
    """A delivery that names a person."""

    id: UUID
    notification_id: UUID
    queued: bool


class PersonalData(Protocol):
    """What the archive holds about a person, wherever that is."""

    def stored(self, user: User) -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        """Yield rows about a person, some at a time, each with the name of what they are."""

    async def deliveries(self, user: User, limit: int) -> Sequence[TracedDelivery]:
        """Return deliveries to a person, or to an address of theirs, that still name them."""

    async def forget_deliveries(self, deliveries: Sequence[TracedDelivery]) -> None:
        """Forget whom deliveries are to, what was answered, and the messages.

        This comes after whatever was handed over before, about them.
        """

    async def forget_in_audiences(self, user: User) -> None:
        """Put the person's id in place of their addresses in all audiences."""

    async def remove(self, user: User, entry: AuditEntry) -> None:
        """Remove a person and all that is theirs. Store the audit entry with it."""

    async def truncate_log(self) -> bool:
        """Move the log into the database and empty its file; return whether that was possible."""


def addresses_of(user: User, devices: Collection[UUID]) -> Sequence[str]:
    """Return the addresses of a person in lower case, as deliveries may have them."""
    found = [each.lower() for each in (user.email, user.phone) if each]
    return [*found, str(user.id), *map(str, devices)]
