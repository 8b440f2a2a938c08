"""What an explanation asks of the archive, as a protocol. What `ports` says holds here, too."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from flashnotify.domain import AudienceEntry


@dataclass(frozen=True, slots=True)
class Membership:
    """How a person belongs to an audience now: in it, or in it but for what it leaves out.

    `since` is when they joined the last of the groups that it names.
    """

    inside: bool
    excluded: bool
    since: int | None


@dataclass(frozen=True, slots=True)
class Suspension:
    """An address that was suspended."""

    channel: str
    address: str
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of a notification and a person beside the deliveries.

    `fanning_out`: its audience is not resolved to the end. Times are ms since the epoch; `read` has
    those of messages in the inbox, by delivery.
    """

    fanning_out: bool = False
    digest_due: int | None = None
    acknowledged: int | None = None
    read: Mapping[UUID, int] = field(default_factory=dict)


class Explanations(Protocol):
    """Why people get notifications, or not."""

    async def membership(self, user_id: UUID, audience: Sequence[AudienceEntry]) -> Membership:
        """Return how a person belongs to an audience now, whether active or not."""

    async def trace(
        self, notification_id: UUID, user_id: UUID, deliveries: Collection[UUID]
    ) -> Trace:
        """Return what is known of a notification and a person, and of these deliveries."""

    async def suspensions(self, addresses: Collection[tuple[str, str]]) -> Sequence[Suspension]:
        """Return those of some addresses, each with its channel, that are suspended."""
