"""The tables of users, their sessions and tokens, of API keys, and of the audit log."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from flashnotify.archive.models import Base


class User(Base):
    """A person, or a program that is one of the directory's entries."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str | None]  # of the campus directory
    name: Mapped[str]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    locale: Mapped[str | None]
    timezone: Mapped[str | None]
    role: Mapped[str]
    kinds: Mapped[str]  # JSON array: those that a sender may send
    active: Mapped[int]
    attributes: Mapped[str]  # JSON object
    password_hash: Mapped[str | None]
    # Raised by whatever ends the sessions and tokens that began before it.
    credentials_changed_at: Mapped[int]
    created_at: Mapped[int]
    last_seen_at: Mapped[int | None]
    imported_at: Mapped[int | None]  # since when imports have this person

    __table_args__ = (
        sa.Index("ix_users_external_id", "external_id", unique=True),
        sa.Index("ix_users_email", sa.text("lower(email)"), unique=True),
        sa.Index("ix_users_phone", "phone"),
        sa.Index("ix_users_role", "role", "active"),
    )


class Session(Base):
    """A browser that is signed in. Only a hash of its cookie is stored."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes]
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[int]
    seen_at: Mapped[int]
    address: Mapped[str | None]
    user_agent: Mapped[str | None]

    __table_args__ = (
        sa.Index("ix_sessions_token_hash", "token_hash", unique=True),
        sa.Index("ix_sessions_user", "user_id"),
        sa.Index("ix_sessions_seen", "seen_at"),
    )


class TokenFamily(Base):
    """The tokens that one sign-in led to: each refresh token is used once, for the next one."""

    __tablename__ = "token_families"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str]  # `user:<id>` or `key:<id>`
    generation: Mapped[int]  # of the refresh token that is valid
    created_at: Mapped[int]
    used_at: Mapped[int]
    expires_at: Mapped[int]
    revoked_at: Mapped[int | None]
    address: Mapped[str | None]

    __table_args__ = (
        sa.Index("ix_token_families_subject", "subject"),
        sa.Index("ix_token_families_expires", "expires_at"),
    )


class ApiKey(Base):
    """An API key. Only an HMAC of its secret is stored."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret_hmac: Mapped[bytes]
    scopes: Mapped[str]  # JSON array
    max_priority: Mapped[int]
    created_at: Mapped[int]
    expires_at: Mapped[int | None]
    revoked_at: Mapped[int | None]
    last_used_at: Mapped[int | None]
    last_used_from: Mapped[str | None]  # network address
    owner: Mapped[str | None]  # who created it
    # What it may do, beyond its scopes; NULL: no limit of its own.
    channels: Mapped[str | None]  # JSON array
    recipients_per_day: Mapped[int | None]
    rate_limit: Mapped[str | None]
    cost_centre: Mapped[UUID | None]  # that its SMS are charged to
    # The secret before the last rotation, and until when it is valid.
    previous_hmac: Mapped[bytes | None]
    previous_expires_at: Mapped[int | None]
    # The day when it last sent within such a limit, and the recipients reached on it.
    recipients_day: Mapped[str | None]
    recipients_reached: Mapped[int] = mapped_column(server_default="0")

    __table_args__ = ({"sqlite_with_rowid": True},)


class AuditEntry(Base):
    """What somebody did. Each entry has a hash of itself and the one before."""

    __tablename__ = "audit"

    number: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    at: Mapped[int]
    actor: Mapped[str]
    address: Mapped[str | None]
    action: Mapped[str]
    target: Mapped[str | None]
    details: Mapped[str]  # JSON object
    previous: Mapped[bytes]
    hash: Mapped[bytes]

    __table_args__ = (
        sa.Index("ix_audit_actor", "actor", "number"),
        sa.Index("ix_audit_action", "action", "number"),
        sa.Index("ix_audit_target", "target", "number"),
    )
