"""What identity asks of the archive, as protocols. What `ports` says of all of them holds here.

A change comes with its entry in the audit log, and both are on disk, or neither.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from flashnotify.archive.identity_records import (
    AuditEntry,
    AuditFilter,
    Session,
    TokenFamily,
    User,
    UserFilter,
)
from flashnotify.archive.records import Page


class Users(Protocol):
    """People who sign in."""

    async def add(self, user: User, entry: AuditEntry) -> None:
        """Store a new user. `WriteRefused`: another has the same external id or email."""

    async def change(self, user: User, entry: AuditEntry) -> None:
        """Store all of a known user but when they were last seen. Raise as `add`."""

    async def rehash(self, id: UUID, before: str, after: str) -> None:
        """Store a better hash of the same password, unless it was changed meanwhile."""

    async def record_seen(self, id: UUID, now: int) -> None:
        """Store that a user was seen."""

    async def find(self, id: UUID) -> User | None:
        """Return a user."""

    async def find_external(self, external_id: str) -> User | None:
        """Return the user whom the campus directory knows by this id."""

    async def find_email(self, email: str) -> User | None:
        """Return the user with an email address, in any case."""

    async def page(self, wanted: UserFilter, *, limit: int, cursor: str | None) -> Page[User]:
        """Return a page of users, newest first. It may be short and still have a next one."""

    async def admins(self) -> int:
        """Return the number of active admins."""

    async def any(self) -> bool:
        """Return whether there is any user."""


class Sessions(Protocol):
    """Browsers that are signed in."""

    async def add(self, session: Session, replaced: Sequence[UUID], entry: AuditEntry) -> None:
        """Store a new session, and remove those that it replaces."""

    async def find(self, token_hash: bytes) -> Session | None:
        """Return a session by the hash of its cookie."""

    async def of_user(self, user_id: UUID) -> Sequence[Session]:
        """Return the sessions of a user, newest first."""

    def record_seen(self, id: UUID, now: int) -> asyncio.Future[None]:
        """Hand over that a session was used."""

    async def remove(self, ids: Sequence[UUID], entry: AuditEntry) -> None:
        """Remove sessions."""


class TokenFamilies(Protocol):
    """The tokens that sign-ins led to."""

    async def add(self, family: TokenFamily, entry: AuditEntry) -> None:
        """Store a new family."""

    async def find(self, id: UUID) -> TokenFamily | None:
        """Return a family."""

    async def advance(self, id: UUID, generation: int, now: int, entry: AuditEntry) -> None:
        """Store that the refresh token before `generation` was used."""

    async def revoke(self, id: UUID, now: int, entry: AuditEntry) -> None:
        """Revoke a family; the first revocation counts."""


class AuditLog(Protocol):
    """What was done by whom. Entries are only ever added."""

    async def append(self, entry: AuditEntry) -> None:
        """Store the entry of something that changes nothing else."""

    async def last(self) -> AuditEntry | None:
        """Return the newest entry."""

    async def page(
        self, wanted: AuditFilter, *, limit: int, cursor: str | None
    ) -> Page[AuditEntry]:
        """Return a page of entries, newest first."""

    async def after(self, number: int, limit: int) -> Sequence[AuditEntry]:
        """Return the entries that follow `number`, oldest first."""


class IdentityArchive(Protocol):
    """The part of the archive that holds who may do what, and who did what."""

    users: Users
    sessions: Sessions
    token_families: TokenFamilies
    audit: AuditLog
