"""The vocabulary of FlashNotify, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple, Self, TypeAlias
from uuid import UUID

# How long an `Idempotency-Key` is kept, in milliseconds.
IDEMPOTENCY_LIFETIME = 24 * 3_600_000
# Maximum number of deliveries in one batch.
BATCH_SIZE = 200


class Priority(IntEnum):
    """The urgency of a notification, and the number of its lane in the queue, lowest first."""

    low = 0
    medium = 1
    high = 2
    critical = 3

    @property
    def urgent(self) -> bool:
        """True if part of the workers and connections is reserved for this priority."""
        return self >= Priority.high


class Role(StrEnum):
    """What a user is. `identity/roles.py` has what each may do."""

    admin = "admin"
    sender = "sender"
    viewer = "viewer"
    service = "service"
    member = "member"


@dataclass(frozen=True, slots=True)
class Window:
    """A daily window of local time. It spans midnight if it ends before it begins."""

    begin: time
    end: time

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"


class NotificationStatus(StrEnum):
    """The status of a notification. The counts of its deliveries show the results.

    `queued`: its deliveries are not made yet. `sending`: it has deliveries that are not over; they
    may be waiting.
    """

    scheduled = "scheduled"
    queued = "queued"
    sending = "sending"
    completed = "completed"
    cancelled = "cancelled"
    expired = "expired"

    @property
    def final(self) -> bool:
        """True if nothing more will be sent unless someone asks for a retry."""
        return self in (self.completed, self.cancelled, self.expired)


class Outcome(StrEnum):
    """How the deliveries of a notification ended. Those skipped or cancelled do not count."""

    all_sent = "all_sent"
    some_failed = "some_failed"
    all_failed = "all_failed"
    none = "none"


class DeliveryStatus(StrEnum):
    """The status of one delivery. `queued`: it waits. `sending`: an attempt is being made."""

    queued = "queued"
    sending = "sending"
    sent = "sent"
    delivered = "delivered"
    failed = "failed"
    skipped = "skipped"
    cancelled = "cancelled"


class WaitReason(StrEnum):
    """Why a delivery, or a whole job, is not attempted yet."""

    due = "due"
    retrying = "retrying"
    breaker_open = "breaker_open"
    quiet_hours = "quiet_hours"
    scheduled = "scheduled"


class AttemptOutcome(StrEnum):
    """The outcome of one attempt."""

    sent = "sent"
    retryable = "retryable"
    rejected = "rejected"
    misconfigured = "misconfigured"
    error = "error"


class Address(NamedTuple):
    """One entry of `to`: a scheme, such as `mailto`, and a value in canonical form."""

    scheme: str
    value: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Return the address of a URI in canonical form."""
        scheme, _, value = uri.partition(":")
        return cls(scheme, value)

    def __str__(self) -> str:
        return f"{self.scheme}:{self.value}"


# The schemes of audience entries that name people, not addresses.
USER, GROUP = "user", "group"


@dataclass(frozen=True, slots=True)
class Combination:
    """People who are in every entry of `all`, in some entry of `any`, and in none of `none`.

    An empty `all` or `any` demands nothing; one of the two has entries.
    """

    all: tuple["str | Combination", ...] = ()
    any: tuple["str | Combination", ...] = ()
    none: tuple["str | Combination", ...] = ()


# A URI in canonical form, of an address, a person (`user:<id>`) or a group (`group:<slug>`), or a
# combination of these.
AudienceEntry: TypeAlias = str | Combination


def names_user(entry: AudienceEntry) -> bool:
    """Return whether an entry of an audience names one person."""
    return isinstance(entry, str) and entry.startswith(f"{USER}:")


def names_group(entry: AudienceEntry) -> bool:
    """Return whether an entry of an audience is a group, or a combination of entries."""
    return isinstance(entry, Combination) or entry.startswith(f"{GROUP}:")


class Lane(NamedTuple):
    """The jobs of one priority on one channel; without a channel, the fan-outs."""

    channel: str | None
    priority: Priority


@dataclass(frozen=True, slots=True)
class Job:
    """A reference to work in the archive, carried by the queue.

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
        """The lane in which the job waits."""
        return Lane(self.channel, self.priority)

    @property
    def place(self) -> tuple[int, UUID]:
        """The job's place in its lane."""
        return self.turn or 0, self.id


@dataclass(frozen=True, slots=True)
class Rendering:
    """The texts of a notification for one channel in one locale, from the kind's templates.

    `parts` holds the texts by the channel's names for them (`subject`, `text`, `html`). A message
    that is cut still ends with `ending`.
    """

    locale: str
    parts: Mapping[str, str]
    ending: str = ""


class DeviceType(StrEnum):
    """The kind of push that a device gets."""

    webpush = "webpush"
    ntfy = "ntfy"


@dataclass(frozen=True, slots=True)
class Device:
    """A recipient of push: a Web Push subscription (RFC 8030) or an ntfy topic.

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
    """One delivery, ready to be sent: a stable identifier, an address and the texts.

    `content` is what the channel prepared once for all recipients. `accepted_at` is the
    notification's, the same on every attempt; after `expires_at` the message is of no use (both in
    milliseconds since the epoch). `device` is the device behind a push address, `unsubscribe` the
    URL at which its recipient unsubscribes.
    """

    delivery_id: UUID
    to: str
    rendering: Rendering
    accepted_at: int
    content: Any = None
    priority: Priority = Priority.low
    expires_at: int | None = None
    device: Device | None = None
    unsubscribe: str | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """A message as kept in the archive instead of being sent."""

    channel: str
    address: str
    subject: str | None
    text: str
    html: str | None


@dataclass(frozen=True, slots=True)
class InApp:
    """A message to a person's inbox."""

    user_id: UUID
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A transport accepted the message.

    `answer` is the provider's own text and `reference` its identifier for the message. `captured`
    and `in_app` are kept in the archive, in the same commit as this result; the latter has thereby
    been delivered.
    """

    answer: str | None = None
    reference: str | None = None
    captured: Captured | None = None
    in_app: InApp | None = None


def milliseconds(moment: datetime) -> int:
    """Return the milliseconds since the epoch of a datetime with an offset."""
    return round(moment.timestamp() * 1000)


def moment(ms: int) -> datetime:
    """Return the UTC datetime of milliseconds since the epoch."""
    return datetime.fromtimestamp(ms / 1000, UTC)
