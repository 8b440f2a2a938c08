"""What the archive holds about identity, as frozen records. Times are ms since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flashnotify.domain import Role


@dataclass(frozen=True, slots=True)
class User:
    """A person, with a role. `kinds` are those that a sender may send.

    Sessions and tokens that began before `credentials_changed_at` are over. Who is missing from an
    import may be deactivated, if earlier ones had this person, since `imported_at`.
    """

    id: UUID
    name: str
    role: Role
    created_at: int
    external_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    timezone: str | None = None
    kinds: frozenset[str] = frozenset()
    active: bool = True
    attributes: Mapping[str, Any] = field(default_factory=dict)
    password_hash: str | None = field(default=None, repr=False)
    credentials_changed_at: int = 0
    last_seen_at: int | None = None
    imported_at: int | None = None


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users a list shows. `search`: part of a name, an email address or an external id."""

    search: str | None = None
    role: Role | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in: who, since when, last seen, from where and with what."""

    id: UUID
    token_hash: bytes = field(repr=False)
    user_id: UUID
    created_at: int
    seen_at: int
    address: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class TokenFamily:
    """The tokens that one sign-in of `subject`, `user:<id>` or `key:<id>`, led to.

    `generation` is that of the refresh token that is valid.
    """

    id: UUID
    subject: str
    generation: int
    created_at: int
    used_at: int
    expires_at: int
    address: str | None = None
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What `actor` did, from a network `address`, to `target`. `details` hold nothing personal.

    `hash` is that of the entry with `previous`, which is the hash of the entry before.
    """

    number: int
    at: int
    actor: str
    address: str | None
    action: str
    target: str | None
    details: Mapping[str, Any]
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audit entries a list shows. An `action` that ends in a dot stands for all below it."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: int | None = None
    until: int | None = None
