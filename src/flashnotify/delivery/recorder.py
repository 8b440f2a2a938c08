"""The last two steps of a batch: record each result as it happens, and settle the batch."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias
from uuid import UUID

import structlog

from flashnotify.archive.people_records import InboxMessage, RefusedAddress
from flashnotify.archive.ports import Archive
from flashnotify.archive.records import (
    QUIET_HOURS,
    Attempt,
    Delivery,
    DeliveryResult,
    Finish,
    Notification,
    OutboxMessage,
    Reschedule,
)
from flashnotify.clock import Clock
from flashnotify.delivery.batch import Batch
from flashnotify.delivery.decision import Decider
from flashnotify.delivery.disposition import dispose
from flashnotify.delivery.transports import SendResult
from flashnotify.domain import AttemptOutcome, DeliveryStatus, Sent, WaitReason
from flashnotify.errors import AddressRefused, Unavailable, WriteRefused

log = structlog.get_logger(__name__)

_Write: TypeAlias = Callable[[], asyncio.Future[None]]

_UNSTORABLE = Finish(DeliveryStatus.failed, "its result could not be stored; see the log")


@dataclass(eq=False, slots=True)
class Recorder:
    """Writes the results of one batch to the archive."""

    batch: Batch
    archive: Archive
    decider: Decider
    clock: Clock
    ids: Callable[[], UUID]
    # The deliveries whose results were handed over, how to do so again, and their writes.
    _writes: list[tuple[Delivery, _Write, asyncio.Future[None]]] = field(
        default_factory=list, init=False
    )
    # Those that failed for good, by their last transport and its outcome.
    _failed: dict[tuple[str, AttemptOutcome], list[UUID]] = field(default_factory=dict, init=False)
    # Whether the job ends with the write of a result.
    _ended: bool = field(default=False, init=False)

    def record(
        self, deliveries: Sequence[Delivery], attempts: Sequence[Attempt], result: SendResult
    ) -> None:
        """Hand over attempts and their disposition; those that failed together wait equally."""
        batch, now = self.batch, self.clock.now()
        policy = batch.open_channel.spec.retry
        jitter = random.random()  # noqa: S311  # not a secret
        # Hardly ever: a delivery to an address that works writes nothing about it.
        tells = self.decider.refused.known or isinstance(result, AddressRefused)
        disposed = partial(dispose, result, policy=policy, jitter=jitter)
        for delivery in deliveries:
            device = batch.devices.get(delivery.address)
            if (delivery.first_attempt_at or 0) > now:
                # It was made while the clock was ahead: the time to give up counts from now on.
                delivery = replace(delivery, first_attempt_at=None)  # noqa: PLW2901
            disposition = disposed(*self._judged(delivery), attempts, device=device, now=now)
            if isinstance(disposition, Reschedule):
                batch.until.append(disposition)
            elif disposition.status is DeliveryStatus.failed:
                last = attempts[-1]
                self._failed.setdefault((last.transport, last.outcome), []).append(delivery.id)
            del batch.due[delivery.id]
            kept = self._kept(delivery, result, now)
            # A batch of one ends with its result, in one commit.
            self._ended = not self._writes and batch.over
            ends = batch.job if self._ended else None
            addresses = self._addresses(delivery, result) if tells else ()
            of = (delivery, attempts, disposition, kept, ends, addresses)
            self._write(DeliveryResult(*of), now)

    def hold(self, delivery: Delivery, until: Reschedule) -> None:
        """Let one delivery wait, without an attempt, while others of its batch go."""
        self.batch.until.append(until)
        del self.batch.due[delivery.id]
        self._write(DeliveryResult(delivery, (), until), self.clock.now())

    def _write(self, result: DeliveryResult, now: int) -> None:
        """Hand a result over."""
        write = partial(self.archive.deliveries.record, self.batch.notification, result, now)
        self._writes.append((result.delivery, write, write()))

    def _judged(self, delivery: Delivery) -> tuple[Notification, Delivery]:
        """Return what decides about the end; a clock in doubt ends nothing."""
        notification = self.batch.notification
        if self.clock.in_doubt():
            return replace(notification, expires_at=None), replace(delivery, first_attempt_at=None)
        return notification, delivery

    def _addresses(self, delivery: Delivery, result: SendResult) -> Sequence[RefusedAddress]:
        """Return what a result says of the address."""
        of, refused = (delivery.channel, delivery.address), self.decider.refused
        if isinstance(result, AddressRefused):
            return refused.refuse(*of, result.reason)
        return refused.forget(*of) if isinstance(result, Sent) else ()

    def _kept(
        self, delivery: Delivery, result: SendResult, now: int
    ) -> OutboxMessage | InboxMessage | None:
        if not isinstance(result, Sent):
            return None
        if (it := result.captured) is not None:
            of = (self.ids(), delivery.notification_id, delivery.id, it.channel, it.address)
            return OutboxMessage(*of, it.subject, it.text, it.html, now, delivery.user_id)
        if (one := result.in_app) is not None:
            about = (delivery.notification_id, delivery.kind, self.batch.job.priority)
            return InboxMessage(delivery.id, one.user_id, *about, one.title, one.text, now)
        return None

    async def settle(self) -> int | None:
        """Wait until everything is on disk, then finish the job or reschedule it.

        Return when the batch is due again, in milliseconds since the epoch, if it is.
        """
        batch, now = self.batch, self.clock.now()
        await self._see_results_written()
        self._log_failed()
        for end, deliveries in batch.ended.items():
            finish = self.archive.deliveries.finish
            await self._until_written(partial(finish, batch.notification, deliveries, end, now))
        until = self._due_again()
        if until is None:
            if self._ended and not batch.ended:
                return None
            await self._until_written(partial(self.archive.jobs.finish, batch.job))
            return None
        await self._until_written(partial(self.archive.jobs.reschedule, batch.job, until))
        return until.due_at

    def _log_failed(self) -> None:
        """Log what failed for good: a line for the batch, without addresses or providers' texts."""
        for (transport, outcome), deliveries in self._failed.items():
            log.warning(
                "deliveries.failed",
                notification=str(self.batch.notification.id),
                channel=self.batch.open_channel.spec.name,
                transport=transport,
                outcome=outcome.value,
                deliveries=len(deliveries),
                first=str(deliveries[0]),
            )

    def _due_again(self) -> Reschedule | None:
        """Return when the first of the deliveries that are left is due, and why most wait."""
        batch, now = self.batch, self.clock.now()
        until = [*batch.until, *map(_waits, batch.waiting)]
        for message in batch.blocked:
            # Asked again: a probe may have succeeded meanwhile.
            decision = self.decider.decide(batch, message)
            again = decision if isinstance(decision, Reschedule) else _at_once(now)
            until.append(again)
        if not until:
            return None
        if self.decider.ending(batch.job, batch.notification):
            # Due at once, so that the rest end as cancelled.
            return _at_once(now)
        (reason, _), *_ = Counter(each.waiting for each in until).most_common(1)
        until.sort(key=lambda each: each.due_at)
        typical = next(each for each in until if each.waiting is reason)
        return replace(typical, due_at=until[0].due_at)

    async def _see_results_written(self) -> None:
        """Wait until all results are on disk. Those that are not are written again, together."""
        waiting = self._writes
        while waiting:
            again: list[tuple[Delivery, _Write]] = []
            pause = 0
            for delivery, write, written in waiting:
                try:
                    await written
                except Unavailable as error:
                    again.append((delivery, write))
                    pause = max(pause, error.retry_after)
                except WriteRefused as error:
                    # Ended, so that it is not sent for ever.
                    log.error("batch.result_refused", job=str(self.batch.job.id), error=str(error))
                    self.batch.ended.setdefault(_UNSTORABLE, []).append(delivery)
            if again:
                await self.clock.sleep(pause)
            waiting = [(delivery, write, write()) for delivery, write in again]

    async def _until_written(self, write: Callable[[], Awaitable[None]]) -> None:
        """Repeat a write until it succeeds, because what it records has happened."""
        while True:
            try:
                return await write()
            except Unavailable as error:
                await self.clock.sleep(error.retry_after)


def _waits(delivery: Delivery) -> Reschedule:
    quiet = delivery.reason == QUIET_HOURS
    why = WaitReason.quiet_hours if quiet else WaitReason.retrying
    return Reschedule(delivery.due_at, delivery.reason or "", why)


def _at_once(now: int) -> Reschedule:
    return Reschedule(now, "", WaitReason.due)
