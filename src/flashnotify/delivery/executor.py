"""Carries one batch through its steps: load, decide, render, prepare, send, record, settle.

The database is never held while a provider is called.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import structlog

from flashnotify.archive.erasure_port import ERASED
from flashnotify.archive.people_ports import Directory
from flashnotify.archive.ports import Archive
from flashnotify.archive.records import Attempt, Delivery, Finish, Notification, Reschedule
from flashnotify.clock import Clock
from flashnotify.delivery.batch import Batch
from flashnotify.delivery.decision import DEACTIVATED, Decider
from flashnotify.delivery.in_flight import InFlight
from flashnotify.delivery.recorder import Recorder
from flashnotify.delivery.rendering import Renderer
from flashnotify.delivery.sender import Sender
from flashnotify.delivery.texts import Texts
from flashnotify.delivery.transports import OpenChannel, SendResult
from flashnotify.domain import AttemptOutcome, DeliveryStatus, Job, Message, WaitReason
from flashnotify.errors import InternalError, stack_of
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec
from flashnotify.people.acknowledgements import Acknowledgements
from flashnotify.people.placeholders import MissingValue
from flashnotify.people.unsubscribe_links import UnsubscribeLinks
from flashnotify.time_slices import TimeSlices

log = structlog.get_logger(__name__)

ACKNOWLEDGED = Finish(DeliveryStatus.skipped, "acknowledged before the reminder was sent")
RECIPIENT_ERASED = Finish(DeliveryStatus.skipped, "the person was erased")

# Deliveries of a batch for whose results its worker does not wait.
_FEW = 10
# Milliseconds by which clocks are set all the time.
_TOLERANCE = 1000
# Seconds to wait for one of a batch's few first contacts.
_FIRST_CONTACT_WAIT = 1.0
# Milliseconds after which a batch comes back that was not let to such a service: at least, at most,
# and after the one before it.
_TURNED_AWAY, _LONGEST_TURN, _APART = 1000, 120_000, 100


@dataclass(eq=False, slots=True)
class Executor:
    """Carries out batches."""

    archive: Archive
    directory: Directory
    kinds: Registry[NotifierSpec]
    channels: Mapping[str, OpenChannel]
    decider: Decider
    renderer: Renderer
    sender: Sender
    in_flight: InFlight
    clock: Clock
    ids: Callable[[], UUID]
    # Makes the link with which the recipient of a delivery acknowledges it.
    link: Callable[[UUID], str] | None = None
    acknowledgements: Acknowledgements | None = None
    unsubscribe_links: UnsubscribeLinks | None = None
    # How many batches may be at services that have not answered yet. A service that hangs holds its
    # worker, so that the other workers are left to those that answer.
    most_strangers: int = 4
    _strangers: set[UUID] = field(default_factory=set)
    # Some transports never wait. By urgency: bulk has a slice of each turn of the event loop.
    _slices: Mapping[bool, TimeSlices] = field(
        default_factory=lambda: {urgent: TimeSlices() for urgent in (False, True)}
    )
    # When the last of those turned away comes back.
    _turned_away: int = 0

    async def execute(self, job: Job, release: Callable[[], None]) -> int | None:
        """Carry a batch through its steps; return when it is due again (ms since the epoch).

        `release` is called once a small batch only waits until its results are on disk. An
        exception counts as a failed attempt of each due delivery that was not finished.
        """
        batch = await self._load(job)
        if batch is None:
            await self.archive.jobs.finish(job)
            return None
        small = len(batch.due) + len(batch.waiting) <= _FEW
        recorder = Recorder(batch, self.archive, self.decider, self.clock, self.ids)
        try:
            match self.decider.decide(batch):
                case Finish() as end:
                    batch.end_all(end)
                case Reschedule() as until:
                    batch.until.append(until)
                case None:
                    self._render(batch)
                    await self._send(batch, recorder)
        except Exception as error:  # noqa: BLE001  # whatever it is, it ends this batch only
            self._fail(batch, recorder, error)
        finally:
            self._strangers.discard(job.id)
        if small:
            release()
        return await recorder.settle()

    async def _load(self, job: Job) -> Batch | None:
        """Read what the batch needs; return None if its notification was purged."""
        notification, queued = self.in_flight.fresh.take(job) or await self._read(job)
        if notification is None:
            return None
        now = self.clock.now()
        batch = Batch(
            job,
            notification,
            self.kinds.get(notification.kind),
            self.channels.get(str(job.channel)),
            due={delivery.id: delivery for delivery in queued if _is_due(delivery, now)},
            waiting=[delivery for delivery in queued if not _is_due(delivery, now)],
        )
        if batch.channel is not None and batch.channel.spec.scheme == "push":
            devices = await self.archive.devices.find_all(list(_device_ids(batch)))
            batch.devices = {str(id): device for id, device in devices.items()}
        if people := {each.user_id for each in batch.due.values() if each.user_id is not None}:
            batch.people = await self.directory.people(people)
            _skip_deactivated(batch)
            batch.unsubscribe_link = self._unsubscribe_link(batch)
        if notification.reminds_of is not None and batch.due:
            await self._leave_out_acknowledged(batch, notification.reminds_of)
        return batch

    async def _leave_out_acknowledged(self, batch: Batch, id: UUID) -> None:
        """End the deliveries of a reminder to those who have acknowledged since its fan-out."""
        assert self.acknowledgements is not None
        due = list(batch.due.values())
        for done in await self.acknowledgements.have_acknowledged(id, due):
            batch.end(batch.due[done], ACKNOWLEDGED)

    def _unsubscribe_link(self, batch: Batch) -> Callable[[UUID], str] | None:
        kind, channel = batch.kind, batch.channel
        if self.unsubscribe_links is None or kind is None or kind.mandatory or channel is None:
            return None
        by_email = channel.spec.scheme == "mailto"
        return partial(self.unsubscribe_links.link, kind.kind) if by_email else None

    async def _read(self, job: Job) -> tuple[Notification | None, Sequence[Delivery]]:
        find, queued = self.archive.notifications.find, self.archive.deliveries.queued
        return await find(job.notification_id, audience=False), await queued(job.id)

    def _render(self, batch: Batch) -> None:
        """Get ready to render: each text is made in the turn of the first who gets it."""
        notifier = batch.notifier = self.renderer.notifier(batch.notification)
        batch.texts = Texts(self.renderer, batch.notification, notifier, batch.open_channel)
        batch.link = self.link

    async def _send(self, batch: Batch, recorder: Recorder) -> None:
        """Send to the due deliveries, as many at once as there are connections."""
        remaining = iter(list(batch.due.values()))
        width = min(batch.open_channel.capacity(urgent=batch.urgent), len(batch.due))
        if width <= 1:
            await self._send_each(batch, recorder, remaining)
            return
        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(self._send_each(batch, recorder, remaining))

    async def _send_each(
        self, batch: Batch, recorder: Recorder, deliveries: Iterator[Delivery]
    ) -> None:
        slices = self._slices[batch.urgent]
        for delivery in deliveries:
            if not batch.urgent:
                await self.archive.room()
            await slices.step()
            await self._send_one(batch, recorder, delivery)

    async def _send_one(self, batch: Batch, recorder: Recorder, delivery: Delivery) -> None:
        """Decide again, since time has passed; then attempt the delivery and record the result."""
        try:
            message = batch.message(delivery)
        except MissingValue as missing:
            batch.end(delivery, Finish(DeliveryStatus.skipped, str(missing)))
            return
        decision = self.decider.decide(batch, message)
        if delivery.address == ERASED or delivery.id in self.in_flight.erased:
            self.in_flight.erased.discard(delivery.id)
            decision = RECIPIENT_ERASED
        if isinstance(decision, Finish):
            batch.end(delivery, decision)
            return
        if delivery.user_id is not None and (quiet := self.decider.quiet_for(batch, delivery)):
            recorder.hold(delivery, quiet)
            return
        unproven = decision is None and batch.open_channel.is_unproven(message)
        if unproven and not self._may_contact(batch):
            batch.until.append(Reschedule(self._next_turn(), "", WaitReason.due))
            return
        if decision is None:
            attempt = self._first_attempt if unproven else self._attempt
            attempts, result = await attempt(batch, message)
            if result is not None:
                recorder.record([delivery], attempts, result)
                return
        batch.blocked.append(message)

    def _may_contact(self, batch: Batch) -> bool:
        if len(self._strangers) < self.most_strangers:
            self._strangers.add(batch.job.id)
        return batch.job.id in self._strangers

    def _next_turn(self) -> int:
        """Return when the next batch that is turned away comes back, ms since the epoch.

        They come back in line: together, they would keep the workers from the others. In whole
        seconds, since the scheduler reads the lane anew for each moment at which a job is due.
        """
        now = self.clock.now()
        latest = now + _LONGEST_TURN
        self._turned_away = min(max(self._turned_away + _APART, now + _TURNED_AWAY), latest)
        return self._turned_away // 1000 * 1000 + 1000

    async def _first_attempt(
        self, batch: Batch, message: Message
    ) -> tuple[Sequence[Attempt], SendResult | None]:
        """Attempt a delivery at a service that has not answered yet. Only a few wait there.

        The batch comes back for the others, so that it holds neither its worker nor the rest.
        """
        try:
            async with asyncio.timeout(_FIRST_CONTACT_WAIT):
                await batch.first_contacts.acquire()
        except TimeoutError:
            return (), None
        try:
            return await self._attempt(batch, message)
        finally:
            batch.first_contacts.release()

    async def _attempt(
        self, batch: Batch, message: Message
    ) -> tuple[Sequence[Attempt], SendResult | None]:
        assert batch.notifier is not None
        with self.in_flight.delivery(batch.job, message.delivery_id):
            return await self.sender.send(batch.notifier, batch.open_channel, message)

    def _fail(self, batch: Batch, recorder: Recorder, error: Exception) -> None:
        """Give the due deliveries that were not finished an attempt that names the error."""
        cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        name = type(cause).__name__
        log.error("batch.failed", job=str(batch.job.id), error=name, stack=stack_of(cause))
        result = InternalError(f"internal error: {name}")
        attempt = Attempt(self.clock.now(), 0.0, "-", AttemptOutcome.error, result.reason)
        blocked = {message.delivery_id for message in batch.blocked}
        failed = [delivery for delivery in batch.due.values() if delivery.id not in blocked]
        recorder.record(failed, [attempt], result)


def _device_ids(batch: Batch) -> Iterator[UUID]:
    for delivery in batch.due.values():
        # Damage to one address must not hold up the others: that device is not found.
        with suppress(ValueError):
            yield UUID(delivery.address)


def _skip_deactivated(batch: Batch) -> None:
    """End the deliveries to people who were deactivated, or removed, since the fan-out."""
    for delivery in list(batch.due.values()):
        if delivery.user_id is not None:
            person = batch.people.get(delivery.user_id)
            if person is None or not person.active:
                batch.end(delivery, DEACTIVATED)


def _is_due(delivery: Delivery, now: int) -> bool:
    # If the clock was set back since the wait began, nobody knows how long it still is.
    return delivery.due_at <= now or delivery.updated_at > now + _TOLERANCE
