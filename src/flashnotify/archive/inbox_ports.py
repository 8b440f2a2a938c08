"""What inboxes ask of the archive, as a protocol. What `ports` says of all of them holds here."""

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from flashnotify.archive.people_records import InboxMessage
from flashnotify.archive.records import Page


class Inbox(Protocol):
    """The messages of the in-app channel. Each has a number, in the order of the commits."""

    async def page(
        self, user_id: UUID, *, unread: bool, limit: int, cursor: str | None
    ) -> Page[InboxMessage]:
        """Return a page of a person's messages, the last to arrive first; `unread`: only those."""

    async def unread(self, user_id: UUID) -> int:
        """Return how many messages a person has not read."""

    async def find(self, user_id: UUID, id: UUID) -> InboxMessage | None:
        """Return a message of a person."""

    async def mark_read(self, user_id: UUID, id: UUID, now: int) -> None:
        """Mark one message as read; the first time counts."""

    async def mark_all_read(self, user_id: UUID, upto: UUID | None, now: int) -> None:
        """Mark the messages that arrived up to one of them, or all, as read."""

    async def remove(self, user_id: UUID, id: UUID) -> None:
        """Remove a message of a person."""

    async def last(self) -> int:
        """Return the number of the last message of anybody; 0 if there is none."""

    async def recipients(self, after: int, limit: int) -> Sequence[tuple[int, UUID]]:
        """Return the numbers of messages that follow `after`, each with its person, in order."""

    async def arrived(
        self, user_id: UUID, after: int, limit: int
    ) -> Sequence[tuple[int, InboxMessage]]:
        """Return a person's messages that follow number `after`, in order, with their numbers."""

    def on_commit(self, call: Callable[[], None]) -> None:
        """Call `call` after each commit."""
