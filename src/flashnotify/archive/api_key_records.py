"""What the archive holds about API keys, as frozen records. Times are ms since the epoch."""

from dataclasses import dataclass
from uuid import UUID

from flashnotify import domain


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key. The secret itself is stored nowhere, only an HMAC of it.

    `owner` created it. Without `channels`, `recipients_per_day` or `rate_limit` it has no limit of
    its own. The secret before its last rotation is valid until `previous_expires_at`. On
    `recipients_day`, it reached `recipients_reached`. Its SMS are charged to its `cost_centre`.
    """

    id: str
    name: str
    secret_hmac: bytes
    scopes: frozenset[str]
    max_priority: domain.Priority
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None
    last_used_from: str | None = None
    owner: str | None = None
    channels: frozenset[str] | None = None
    recipients_per_day: int | None = None
    rate_limit: str | None = None
    previous_hmac: bytes | None = None
    previous_expires_at: int | None = None
    recipients_day: str | None = None
    recipients_reached: int = 0
    cost_centre: UUID | None = None


@dataclass(frozen=True, slots=True)
class DailyRecipients:
    """How many recipients more a key reached on a day of the campus, such as `2026-12-01`."""

    key_id: str
    day: str
    recipients: int
