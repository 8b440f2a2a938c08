"""What the archive holds, as frozen records: JSON decoded, enumerations resolved.

Times are milliseconds since the Unix epoch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from flashnotify import domain
from flashnotify.archive.people_records import DigestEntry, InboxMessage, RefusedAddress

T = TypeVar("T")

# The reason of deliveries that wait while nobody is to be woken.
QUIET_HOURS = "waits for the end of quiet hours"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, newest first. `next` is the cursor of the following page."""

    items: Sequence[T]
    next: str | None


@dataclass(frozen=True, slots=True)
class Notification:
    """What a sender asked for, once. `audience` holds the addresses, then people, then the rest.

    `fanned_out` of its addresses and people have deliveries, and those in the groups of the rest up
    to `last_person`. Its `recipients` are complete once the fan-out is. `outcome` is set when the
    last delivery ends. `texts` has other titles and bodies by language. If it is `personalised`,
    the texts have placeholders. It asks its recipients to `acknowledge` it, and may be a reminder:
    `reminds_of` is what they were to acknowledge.

    `damaged`: some of its columns cannot be read; they are empty, or have a default.
    """

    id: UUID
    kind: str
    title: str
    body: str
    data: Mapping[str, Any]
    audience: Sequence[domain.AudienceEntry]
    priority: domain.Priority
    channels: Sequence[str] | None
    locale: str
    send_at: int | None
    expires_at: int | None
    reference: str | None
    sender: str
    status: domain.NotificationStatus
    accepted_at: int
    updated_at: int
    completed_at: int | None = None
    outcome: domain.Outcome | None = None
    recipients: int = 0
    fanned_out: int = 0
    last_person: UUID | None = None
    texts: Mapping[str, Mapping[str, str]] | None = None
    personalised: bool = False
    acknowledge: bool = False
    reminds_of: UUID | None = None
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class NotificationFilter:
    """Which notifications a list shows."""

    kind: str | None = None
    status: domain.NotificationStatus | None = None
    outcome: domain.Outcome | None = None
    priority: domain.Priority | None = None
    reference: str | None = None
    since: int | None = None
    until: int | None = None
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification to one recipient on one channel.

    `user_id`: the person with this address, if the audience names people.
    """

    id: UUID
    notification_id: UUID
    job_id: UUID
    kind: str
    channel: str
    address: str
    status: domain.DeliveryStatus
    due_at: int
    updated_at: int
    reason: str | None = None
    attempts: int = 0
    first_attempt_at: int | None = None
    user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ListedDelivery(Delivery):
    """A delivery with the wait of its job, if that is longer. `waiting` while it is queued."""

    waiting: domain.WaitReason | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries a list shows.

    `to` is an address in any case. `since` and `until` bound when the delivery was created. `only`
    restricts the list to these ids, `excluding` leaves these out. `sender`: of the notification.
    `user` is the person whom they are for; `people=False` leaves out those for people.
    """

    notification_id: UUID | None = None
    to: str | None = None
    kind: str | None = None
    status: domain.DeliveryStatus | None = None
    channel: str | None = None
    since: int | None = None
    until: int | None = None
    only: frozenset[UUID] | None = None
    excluding: frozenset[UUID] = frozenset()
    sender: str | None = None
    user: UUID | None = None
    people: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a delivery. `duration` is in seconds; `tracked` attempts count in statistics."""

    at: int
    duration: float
    transport: str
    outcome: domain.AttemptOutcome
    answer: str | None
    reference: str | None = None
    tracked: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The delivery ends with `status`. `drop_device`: its device is gone for good."""

    status: domain.DeliveryStatus
    reason: str | None = None
    drop_device: UUID | None = None


@dataclass(frozen=True, slots=True)
class Reschedule:
    """The delivery, or a whole job, waits until `due_at`. `waiting` is the reason for programs."""

    due_at: int
    reason: str
    waiting: domain.WaitReason = domain.WaitReason.retrying


Disposition = Finish | Reschedule


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message that `capture://` kept instead of sending. `user_id`: the person with its address.

    One without a notification is not in the archive.
    """

    id: UUID
    notification_id: UUID | None
    delivery_id: UUID
    channel: str
    address: str
    subject: str | None
    text: str
    html: str | None
    captured_at: int
    user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The attempts at a delivery in one run, what follows from them, and the message if it is kept.

    `ends` is the job that ends with it, `addresses` what it says of addresses.
    """

    delivery: Delivery
    attempts: Sequence[Attempt]
    disposition: Disposition
    kept: OutboxMessage | InboxMessage | None = None
    ends: domain.Job | None = None
    addresses: Sequence[RefusedAddress] = ()


@dataclass(frozen=True, slots=True)
class OutboxFilter:
    """Which captured messages a list shows. `sender`: of the notification."""

    notification_id: UUID | None = None
    channel: str | None = None
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A job as it is stored. One that waits until `due_at` has a `reason`, and no turn."""

    job: domain.Job
    due_at: int
    reason: str | None = None
    waiting: domain.WaitReason = domain.WaitReason.due


@dataclass(frozen=True, slots=True)
class FanOutSlice:
    """The deliveries of some recipients, and the batches that they are in.

    `upto` is the number of addresses and people of the audience done with this slice, `last_person`
    the last one reached by its groups, `more_recipients` how many these were. `finished`: it is the
    last slice. `expired`: the notification has expired, and its deliveries are skipped. A small
    `notification` comes along, since its batches need it next. `digested` wait for digests.
    """

    upto: int
    deliveries: Sequence[Delivery]
    jobs: Sequence[ScheduledJob]
    finished: bool
    expired: bool = False
    notification: Notification | None = None
    last_person: UUID | None = None
    more_recipients: int = 0
    digested: Sequence[DigestEntry] = ()


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """The answer that a caller got for its `Idempotency-Key`."""

    caller: str
    key: str
    fingerprint: bytes
    notification_id: UUID
    status: domain.NotificationStatus
    created_at: int


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """A device with its label, the time of its registration, and whose it is."""

    device: domain.Device
    label: str | None
    created_at: int
    user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a notification or a delivery, numbered in commit order.

    `sender` is the notification's; None once that is purged.
    """

    id: int
    type: str
    notification_id: UUID
    delivery_id: UUID | None
    channel: str | None
    status: str
    at: int
    sender: str | None = None
