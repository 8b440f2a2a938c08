"""The vocabulary of FlashNotify as plain values, without behaviour that needs a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple
from uuid import UUID

# How long a caller's `Idempotency-Key` is remembered, in milliseconds.
IDEMPOTENCY_LIFETIME = 24 * 3_600_000
# Most deliveries of one batch.
BATCH_SIZE = 200


class Priority(IntEnum):
    """How urgent a notification is. Also the number of its lane in the queue, lowest first."""

    low = 0
    medium = 1
    high = 2
    critical = 3

    @property
    def urgent(self) -> bool:
        """True for the lanes that part of the workers and connections is kept for."""
        return self >= Priority.high


@dataclass(frozen=True, slots=True)
class Window:
    """A daily window of local time, which goes over midnight when it ends before it begins."""

    begin: time
    end: time

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"


class NotificationStatus(StrEnum):
    """Where a notification is on its way. The counts of its deliveries tell how it went."""

    scheduled = "scheduled"
    queued = "queued"
    sending = "sending"
    completed = "completed"
    cancelled = "cancelled"
    expired = "expired"

    @property
    def over(self) -> bool:
        """True if nothing more is sent of it, unless somebody asks for it."""
        return self in (self.completed, self.cancelled, self.expired)


class DeliveryStatus(StrEnum):
    """Where one delivery is on its way."""

    queued = "queued"
    sending = "sending"
    sent = "sent"
    delivered = "delivered"
    failed = "failed"
    skipped = "skipped"
    cancelled = "cancelled"


class AttemptOutcome(StrEnum):
    """How one attempt ended."""

    sent = "sent"
    retryable = "retryable"
    rejected = "rejected"
    misconfigured = "misconfigured"
    error = "error"


@dataclass(frozen=True, slots=True)
class Address:
    """One entry of `to`: a scheme (`mailto`) and what it names, in canonical form."""

    scheme: str
    value: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.value}"


class Lane(NamedTuple):
    """A line of jobs: those of one channel, or the fan-outs (no channel), of one priority."""

    channel: str | None
    priority: Priority


@dataclass(frozen=True, slots=True)
class Job:
    """A reference to work in the archive: what the queue carries.

    Without a `channel` the work is to fan out the notification; with one it is a batch: up to 200
    deliveries of that notification on that channel. `ordinal` is the batch's place within its
    notification and channel. `turn` is its place in its lane: the lane's turn when the job was
    scheduled, plus `ordinal`. Jobs go in the order of (turn, id), so that notifications take turns
    (start-time fair queueing).
    """

    id: UUID
    notification_id: UUID
    priority: Priority
    channel: str | None = None
    ordinal: int = 0
    turn: int | None = None

    @property
    def lane(self) -> Lane:
        """The lane that the job waits in."""
        return Lane(self.channel, self.priority)

    def row(self, *, due_at: int) -> dict[str, Any]:
        """The job as the archive keeps it, due at `due_at`, in milliseconds since the epoch."""
        return {
            "id": self.id,
            "notification_id": self.notification_id,
            "channel": self.channel,
            "priority": int(self.priority),
            "due_at": due_at,
        }


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a kind's templates make of a notification for one channel in one locale.

    `parts` holds the texts by the names that the channel asks for (`subject`, `text`, `html`).
    """

    locale: str
    parts: Mapping[str, str]


class DeviceType(StrEnum):
    """What kind of push a device gets."""

    webpush = "webpush"
    ntfy = "ntfy"


@dataclass(frozen=True, slots=True)
class Device:
    """Something that gets push: a Web Push subscription (RFC 8030) or an ntfy topic.

    `target` is the subscription's endpoint or the topic. `p256dh` and `auth` are the keys of a
    subscription (RFC 8291, section 2), in base64url.
    """

    id: UUID
    type: DeviceType
    target: str
    p256dh: str | None = None
    auth: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery, ready to be sent: the stable identifier, the address, the texts.

    `accepted_at` (milliseconds since the epoch) is the notification's, the same on every attempt.
    `expires_at` is when it is of no more use, `device` what a push address stands for.
    """

    delivery_id: UUID
    to: str
    rendering: Rendering
    accepted_at: int
    priority: Priority = Priority.low
    expires_at: int | None = None
    device: Device | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """What a message looked like when it was kept in the archive rather than sent."""

    channel: str
    to: str
    subject: str | None
    text: str
    html: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A transport took the message.

    `answer` is the provider's own words, `reference` its identifier for the message, `captured`
    a row to keep in the archive, committed together with this outcome.
    """

    answer: str | None = None
    reference: str | None = None
    captured: Captured | None = None


def milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch of a moment that has an offset."""
    return round(moment.timestamp() * 1000)


def moment(ms: int) -> datetime:
    """The UTC moment of milliseconds since the epoch."""
    return datetime.fromtimestamp(ms / 1000, UTC)
