"""What an API key may do and until when, and whether it is valid."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import UUID

from flashnotify.archive.api_key_records import ApiKey
from flashnotify.domain import Priority

# Milliseconds before a key expires from which on that is shown.
EXPIRES_SOON = 14 * 24 * 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTerms:
    """What a key may do, and until when (ms since the epoch). None stands for no limit of its own.

    It may use `channels`, reach `recipients_per_day` and make requests within `rate_limit`, such as
    `50/second`. Its SMS are charged to its `cost_centre`.
    """

    name: str
    scopes: frozenset[str]
    max_priority: Priority = Priority.high
    expires_at: int | None = None
    channels: frozenset[str] | None = None
    recipients_per_day: int | None = None
    rate_limit: str | None = None
    cost_centre: UUID | None = None


class KeyState(StrEnum):
    """Whether a key is valid. `expires_soon`: within two weeks."""

    valid = "valid"
    expires_soon = "expires_soon"
    expired = "expired"
    revoked = "revoked"

    @classmethod
    def of(cls, key: ApiKey, now: int) -> Self:
        """Return the state of a key at `now`."""
        if key.revoked_at is not None:
            return cls("revoked")
        if key.expires_at is None or key.expires_at - now > EXPIRES_SOON:
            return cls("valid")
        return cls("expires_soon" if key.expires_at > now else "expired")
