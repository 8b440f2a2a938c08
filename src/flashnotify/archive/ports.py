"""What the rest of the program asks of the archive, as protocols.

Each write is atomic: all of it is on disk when the call returns, or none of it. Writes
raise `Unavailable` when nothing can be written now (disk full, shutting down) and `WriteRefused`
when the data cannot be stored; reads raise `Unavailable` when none is possible now, and
`InvalidInput` for a malformed cursor. A damaged row is left out and logged; it fails no read. Times
are milliseconds since the Unix epoch. Counts and statistics are kept by the writes themselves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from flashnotify.archive import api_key_records, records
from flashnotify.archive.cost_centre_records import SmsUsage
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.people_records import DigestEntry
from flashnotify.archive.statistics_port import Statistics
from flashnotify.domain import Device, Job, Lane, Priority


class Notifications(Protocol):
    """Notifications, and the changes of a notification as a whole."""

    def accept(
        self,
        notification: records.Notification,
        work: records.ScheduledJob | records.FanOutSlice,
        answer: records.IdempotencyRecord | None,
        reached: api_key_records.DailyRecipients | None = None,
        digested: Sequence[DigestEntry] = (),
        charged: SmsUsage | None = None,
    ) -> Awaitable[None]:
        """Store a new notification, its work and the answer for its idempotency key.

        Its work is its fan-out job, or what the whole fan-out would make. `reached` counts its
        recipients, for a key that may reach so many a day, and its SMS are `charged`. A digest
        removes what it lists, which was `digested`. Awaiting the result waits for the disk.
        """

    async def find(self, id: UUID, *, audience: bool = True) -> records.Notification | None:
        """Return a notification, with its audience (which may be long) on request."""

    async def page(
        self, wanted: records.NotificationFilter, *, limit: int, cursor: str | None
    ) -> records.Page[records.Notification]:
        """Return a page of notifications, newest first, without their audiences.

        One that is damaged is included, as far as it can be read.
        """

    async def counts(self, id: UUID) -> Mapping[str, Mapping[str, int]]:
        """Return the number of deliveries of a notification by channel and status."""

    async def idempotent_answer(self, caller: str, key: str) -> records.IdempotencyRecord | None:
        """Return the answer that `caller` got for `key`."""

    async def add_deliveries(self, job: Job, done: records.FanOutSlice, now: int) -> None:
        """Store the next slice of a fan-out; the last one finishes the fan-out job."""

    async def cancel(
        self, id: UUID, priority: Priority, now: int, entry: AuditEntry | None = None
    ) -> None:
        """Cancel a notification of `priority` that is not over, and make its jobs due at once.

        Takes effect in the order of arrival with the results of its deliveries. The audit entry is
        stored only if it was cancelled.
        """

    async def requeue(
        self,
        id: UUID,
        failed: Sequence[records.Delivery],
        jobs: Sequence[Job],
        now: int,
        entry: AuditEntry | None = None,
    ) -> None:
        """Queue failed deliveries again, each in the job of its channel, and reopen `id`."""


class Deliveries(Protocol):
    """Deliveries and the attempts at them."""

    async def queued(self, job_id: UUID) -> Sequence[records.Delivery]:
        """Return the deliveries of a batch that have not ended. A damaged id is replaced."""

    async def find(self, id: UUID) -> records.Delivery | None:
        """Return a delivery."""

    async def page(
        self, wanted: records.DeliveryFilter, *, limit: int, cursor: str | None
    ) -> records.Page[records.ListedDelivery]:
        """Return a page of deliveries, newest first, with the waits of their jobs."""

    async def failed(self, id: UUID, after: UUID, limit: int) -> Sequence[records.Delivery]:
        """Return failed deliveries of notification `id` that follow `after`, in order."""

    async def attempts(
        self, ids: Collection[UUID], *, latest: int
    ) -> Mapping[UUID, Mapping[int, records.Attempt]]:
        """Return the latest attempts at some deliveries by their numbers, oldest first."""

    def record(
        self, notification: records.Notification, result: records.DeliveryResult, now: int
    ) -> asyncio.Future[None]:
        """Hand over what one run did with a delivery of `notification`, in one write.

        The future is done once it is on disk, so that the next send need not wait for a commit.
        A delivery that has ended keeps its status.
        """

    async def finish(
        self,
        notification: records.Notification,
        deliveries: Sequence[records.Delivery],
        end: records.Finish,
        now: int,
    ) -> None:
        """End deliveries that will not be attempted. The reason `expired` marks `notification`."""

    async def confirm(self, delivery: records.Delivery, kind: str, now: int) -> None:
        """Turn a `sent` delivery into `delivered`."""

    async def note_undeliverable(self, id: UUID, reason: str, now: int) -> None:
        """Give a `sent` delivery the reason that its gateway reports."""


class Jobs(Protocol):
    """Unfinished work, by lane."""

    async def ready(self, lane: Lane, after: tuple[int, UUID] | None, limit: int) -> Sequence[Job]:
        """Return jobs that have a turn, in the order of (turn, id), after `after`."""

    async def waited(
        self, lane: Lane, now: int, after: tuple[int, UUID] | None, limit: int
    ) -> Sequence[records.ScheduledJob]:
        """Return waiting jobs that are due at `now`, by (due_at, id), from after `after`."""

    async def next_due(self, lane: Lane, now: int) -> int | None:
        """Return when the next waiting job of a lane is due, after `now`."""

    async def oldest_due(self, lanes: Sequence[Lane]) -> Mapping[Lane, int]:
        """Return the earliest due time of the jobs of each lane that has any, past or future."""

    async def channels(self) -> frozenset[str]:
        """Return the channels of all unfinished batches."""

    async def reschedule(self, job: Job, until: records.Reschedule) -> None:
        """Let a job wait: it loses its turn. Its deliveries are untouched."""

    async def reconsider(self, beyond: int, now: int) -> None:
        """Make batches due at `now` whose wait for a retry or a transport ends after `beyond`.

        Jobs of an unknown priority get that of their notification.
        """

    async def finish(self, job: Job) -> None:
        """Remove a job that is done."""


class Outbox(Protocol):
    """What `capture://` kept."""

    async def page(
        self, wanted: records.OutboxFilter, *, limit: int, cursor: str | None
    ) -> records.Page[records.OutboxMessage]:
        """Return a page of captured messages, newest first."""


class Devices(Protocol):
    """What push reaches."""

    async def register(self, device: records.RegisteredDevice) -> None:
        """Store a device, or renew the keys and label of the one with the same target."""

    async def remove(self, id: UUID) -> None:
        """Remove a device."""

    async def find(self, id: UUID) -> records.RegisteredDevice | None:
        """Return a device."""

    async def find_target(self, type: str, target: str) -> records.RegisteredDevice | None:
        """Return the device of a subscription or topic."""

    async def find_all(self, ids: Collection[UUID]) -> Mapping[UUID, Device]:
        """Return the registered devices among `ids`."""

    async def page(
        self, *, limit: int, cursor: str | None, user_id: UUID | None = None
    ) -> records.Page[records.RegisteredDevice]:
        """Return a page of devices, newest first: all, or those of a user."""


class ApiKeys(Protocol):
    """API keys."""

    async def add(self, key: api_key_records.ApiKey, entry: AuditEntry) -> None:
        """Store a new key."""

    async def find(self, id: str) -> api_key_records.ApiKey | None:
        """Return a key."""

    async def all(self) -> Sequence[api_key_records.ApiKey]:
        """Return every key, oldest first."""

    async def rotate(self, id: str, secret_hmac: bytes, until: int, entry: AuditEntry) -> None:
        """Replace the secret of a key; the one that it has is valid `until` then."""

    async def revoke(self, id: str, now: int, entry: AuditEntry) -> None:
        """Revoke a key; the first revocation counts."""

    def record_use(self, id: str, now: int, address: str | None) -> asyncio.Future[None]:
        """Hand over that a key was used, from a network address."""


class Events(Protocol):
    """The numbered changes of notifications and deliveries."""

    async def after(self, id: int, limit: int) -> Sequence[records.Event]:
        """Return events that follow number `id`, in commit order."""

    async def last(self) -> int:
        """Return the number of the last event; 0 if there is none."""

    async def latest(self) -> int | None:
        """Return when the last event was."""

    def on_commit(self, call: Callable[[], None]) -> None:
        """Call `call` after each commit."""


class Maintenance(Protocol):
    """Purges what has been kept long enough, a slice at a time; true means there may be more."""

    async def purge_idempotency_keys(self, before: int, limit: int) -> bool:
        """Purge idempotency keys created before `before`."""

    async def purge_token_families(self, before: int, limit: int) -> bool:
        """Purge the families of tokens that expired before `before`."""

    async def purge_phone_confirmations(self, before: int, limit: int) -> bool:
        """Purge confirmations of phone numbers whose last code was sent before `before`."""

    async def purge_events(self, keep: int, limit: int) -> bool:
        """Purge the oldest events beyond the last `keep`."""

    async def purge_totals(self, before: int, span: int) -> bool:
        """Purge counts from before `before`, at most `span` milliseconds of them."""

    async def purge_latencies(self, before: int, span: int) -> bool:
        """Purge latencies from before `before`, at most `span` milliseconds of them."""

    async def coarsen_totals(self, before: int, span: int) -> bool:
        """Keep counts from before `before`, a multiple of `span`, by that span: the oldest ones."""

    async def coarsen_latencies(self, before: int, span: int) -> bool:
        """Keep latencies from before `before`, a multiple of `span`, by that span likewise."""

    async def purge_sessions(self, created_before: int, seen_before: int, limit: int) -> bool:
        """Purge sessions that began, or were last used, before these times."""

    async def purge_notifications(
        self, kind: str | None, known: Collection[str], before: int, limit: int
    ) -> bool:
        """Purge about `limit` rows of `kind`, or else of no `known` one, ended before `before`."""


class Archive(Protocol):
    """The database: the truth, of which the queue carries only references."""

    notifications: Notifications
    deliveries: Deliveries
    jobs: Jobs
    outbox: Outbox
    devices: Devices
    api_keys: ApiKeys
    events: Events
    statistics: Statistics
    maintenance: Maintenance

    @property
    def overloaded(self) -> bool:
        """Whether the disk does not keep up, so that new work should be refused for now."""

    async def room(self) -> None:
        """Wait until few writes wait for the disk. To be called before each piece of bulk work."""

    async def ping(self) -> None:
        """Raise `Unavailable` if the archive cannot be read, or nothing can be accepted now."""
