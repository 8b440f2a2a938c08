"""The state of an archive in memory, and the changes that its parts share."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from flashnotify.archive.api_key_records import ApiKey, DailyRecipients
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.people_records import Person, RefusedAddress
from flashnotify.archive.records import (
    Attempt,
    Delivery,
    Event,
    IdempotencyRecord,
    Notification,
    OutboxMessage,
    Page,
    RegisteredDevice,
    ScheduledJob,
)
from flashnotify.domain import DeliveryStatus, NotificationStatus, Outcome
from flashnotify.errors import FieldError, InvalidInput, Unavailable

T = TypeVar("T")


class State:
    """Dictionaries, and the rules that the database's triggers and the statements keep.

    A write is applied when it is called; its caller then yields to the loop once, as does that of
    a read.
    """

    def __init__(self) -> None:
        self.notifications: dict[UUID, Notification] = {}
        self.pending: dict[UUID, int] = {}
        self.answers: dict[tuple[str, str], IdempotencyRecord] = {}
        self.deliveries: dict[UUID, Delivery] = {}
        self.attempts: dict[UUID, list[Attempt]] = {}
        self.jobs: dict[UUID, ScheduledJob] = {}
        self.outbox: dict[UUID, OutboxMessage] = {}
        self.devices: dict[UUID, RegisteredDevice] = {}
        self.api_keys: dict[str, ApiKey] = {}
        self.people: dict[UUID, Person] = {}
        self.refused: dict[UUID, RefusedAddress] = {}
        self.events: list[Event] = []
        self.last_event = 0
        self.audit: list[AuditEntry] = []
        self.counts: dict[UUID, Counter[tuple[str, str]]] = {}
        self.totals: Counter[tuple[int, str, str, str]] = Counter()
        # By minute, channel, transport, bucket and whether the attempt failed.
        self.latencies: Counter[tuple[int, str, str, int, bool]] = Counter()
        self.damaged: set[UUID] = set()
        self.writes: list[str] = []
        self.write_refusals: deque[Exception] = deque()
        self.read_refusals: deque[Exception] = deque()
        self.on_commit: list[Callable[[], None]] = []

    async def read(self) -> None:
        """Begin a read.

        Raises:
            Unavailable: a test wants this read refused.
        """
        await asyncio.sleep(0)
        if self.read_refusals:
            raise self.read_refusals.popleft()

    @contextmanager
    def write_now(self, verb: str) -> Iterator[None]:
        """Apply the changes of one write, and record its `verb`."""
        if self.write_refusals:
            raise self.write_refusals.popleft()
        yield
        self.writes.append(verb)
        for call in self.on_commit:
            call()

    @asynccontextmanager
    async def write(self, verb: str) -> AsyncIterator[None]:
        """Apply the changes of one write, and let other tasks run before it returns."""
        try:
            with self.write_now(verb):
                yield
        finally:
            await asyncio.sleep(0)

    def hand_over(self, verb: str, change: Callable[[], None]) -> asyncio.Future[None]:
        """Apply a write at once; the future says whether it was refused."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            with self.write_now(verb):
                change()
        except Exception as error:  # noqa: BLE001  # the future passes it on
            done.set_exception(error)
            done.exception()
        else:
            done.set_result(None)
        return done

    def put_notification(self, new: Notification) -> None:
        """Store a notification; a new status is an event."""
        old = self.notifications.get(new.id)
        self.notifications[new.id] = new
        if old is None:
            self._add_event("notification", new.id, None, None, new.status, new.accepted_at)
        elif old.status is not new.status:
            self._add_event("notification", new.id, None, None, new.status, new.updated_at)

    def put_refused(self, addresses: Sequence[RefusedAddress]) -> None:
        """Store refused addresses, and forget those without refusals."""
        for each in addresses:
            self.refused.pop(each.id, None)
            if each.refusals:
                self.refused[each.id] = each

    def put_delivery(self, new: Delivery) -> None:
        """Store a delivery; a change of its status is an event, its creation is none."""
        old = self.deliveries.get(new.id)
        self.deliveries[new.id] = new
        if old is not None and old.status is not new.status:
            self._add_event(
                "delivery", new.notification_id, new.id, new.channel, new.status, new.updated_at
            )

    def _add_event(
        self,
        type: str,
        notification_id: UUID,
        delivery_id: UUID | None,
        channel: str | None,
        status: str,
        at: int,
    ) -> None:
        self.last_event += 1
        self.events.append(
            Event(self.last_event, type, notification_id, delivery_id, channel, status, at)
        )

    def append_entry(self, entry: AuditEntry | None) -> None:
        """Add what somebody did to the audit log."""
        if entry is not None:
            self.audit.append(entry)

    def count_recipients(self, more: DailyRecipients) -> None:
        """Count recipients that a key reached."""
        key = self.api_keys[more.key_id]
        before = key.recipients_reached if key.recipients_day == more.day else 0
        self.api_keys[more.key_id] = replace(
            key, recipients_day=more.day, recipients_reached=before + more.recipients
        )

    def sender_of(self, notification_id: UUID | None) -> str | None:
        """Return who sent a notification."""
        if notification_id is None:
            return None
        notification = self.notifications.get(notification_id)
        return notification.sender if notification is not None else None

    def count(self, notification_id: UUID, channel: str, status: DeliveryStatus, by: int) -> None:
        """Keep the number of deliveries of a notification."""
        self.counts.setdefault(notification_id, Counter())[channel, status] += by

    def end_some(self, notification_id: UUID, ended: int, now: int) -> None:
        """Complete a notification when the last of its deliveries has ended."""
        notification = self.notifications[notification_id]
        self.pending[notification_id] -= ended
        if self.pending[notification_id] <= 0:
            status = notification.status
            if status is NotificationStatus.sending:
                status = NotificationStatus.completed
            outcome = self._outcome(notification_id)
            notification = replace(notification, status=status, completed_at=now, outcome=outcome)
        self.put_notification(replace(notification, updated_at=now))

    def _outcome(self, notification_id: UUID) -> Outcome:
        counts = self.counts.get(notification_id, Counter())
        having = {status for (_, status), number in counts.items() if number > 0}
        sent = bool(having & {DeliveryStatus.sent, DeliveryStatus.delivered})
        if DeliveryStatus.failed in having:
            return Outcome.some_failed if sent else Outcome.all_failed
        return Outcome.all_sent if sent else Outcome.none


def refusal() -> Unavailable:
    """Return the error of an archive that is unavailable."""
    return Unavailable("The archive refuses, as the test wants it.", retry_after=1)


def page(items: Sequence[T], id_of: Callable[[T], UUID], limit: int, cursor: str | None) -> Page[T]:
    """Return a page of `items`, newest first.

    Raises:
        InvalidInput: the cursor is malformed.
    """
    found = sorted(items, key=id_of, reverse=True)
    if cursor is not None:
        try:
            last = UUID(cursor)
        except ValueError:
            error = FieldError("/cursor", "malformed_cursor", "is not a cursor")
            raise InvalidInput([error]) from None
        found = [item for item in found if id_of(item) < last]
    more = len(found) > limit
    found = found[:limit]
    return Page(found, str(id_of(found[-1])) if more else None)


def matches(pairs: Sequence[tuple[Any, Any]]) -> bool:
    """Return whether each value equals the wanted one beside it, unless that is None."""
    return all(wanted is None or value == wanted for value, wanted in pairs)


def made_within(id: UUID, since: int | None, until: int | None) -> bool:
    """Return whether an id was made at or after `since` and before `until`."""
    at = id.int >> 80
    return (since is None or at >= since) and (until is None or at < until)
