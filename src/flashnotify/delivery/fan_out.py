"""Fans a notification out: audience → recipients → routes → deliveries, in batches."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog

from flashnotify.archive.ports import Archive
from flashnotify.archive.records import (
    Delivery,
    FanOutSlice,
    Finish,
    Notification,
    Reschedule,
    ScheduledJob,
)
from flashnotify.clock import Clock
from flashnotify.delivery.decision import EXPIRED, Decider
from flashnotify.delivery.routing import Route, Routing
from flashnotify.domain import BATCH_SIZE, Address, DeliveryStatus, Job
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec
from flashnotify.queue.dispatch import Dispatch

log = structlog.get_logger(__name__)

# Audience entries fanned out in one commit, with the progress, so that a crash repeats nothing.
_SLICE = 400


@dataclass(eq=False, slots=True)
class FanOut:
    """Carries out fan-out jobs: turns a notification into the jobs of batches."""

    archive: Archive
    kinds: Registry[NotifierSpec]
    routing: Routing
    decider: Decider
    dispatch: Dispatch
    clock: Clock
    ids: Callable[[], UUID]

    async def execute(self, job: Job) -> None:
        """Make the deliveries of a notification, and queue each batch once it is on disk.

        Every audience entry ends as a delivery: a skipped or cancelled one, if the notification has
        expired, was cancelled, or is of a kind that no longer offers the channel.
        """
        notification = await self.archive.notifications.find(job.notification_id)
        if notification is None:
            await self.archive.jobs.finish(job)
            return
        if notification.damaged and not notification.audience:
            log.error("notification.damaged", notification=str(notification.id))
            await self._store(job, self._damaged(notification, job))
            return
        latest: dict[str, Job] = {}
        entries = len(notification.audience)
        for start in range(notification.fanned_out, entries, _SLICE):
            # To load, plan and store them takes milliseconds each.
            await asyncio.sleep(0)
            done = self._slice(job, notification, start, latest)
            await asyncio.sleep(0)
            await self._store(job, done)
        if notification.fanned_out >= entries:
            # The last slice had already finished this job when it was read again.
            await self.archive.jobs.finish(job)

    async def _store(self, job: Job, done: FanOutSlice) -> None:
        await self.archive.notifications.add_deliveries(job, done, self.clock.now())
        for batch in done.jobs:
            if batch.reason is None:
                self.dispatch.put(batch.job)
            else:
                self.dispatch.wake_up(batch.job.lane, batch.due_at)

    def _slice(
        self, job: Job, notification: Notification, start: int, latest: dict[str, Job]
    ) -> FanOutSlice:
        """Return the deliveries of the next audience entries, and the batches that they are in.

        `latest` keeps the latest batch of each channel from slice to slice.
        """
        now, upto = self.clock.now(), min(start + _SLICE, len(notification.audience))
        kind = self.kinds.get(notification.kind)
        end = self.decider.end(job, notification)
        deliveries: list[Delivery] = []
        queued: dict[str, list[Route]] = defaultdict(list)
        planned = partial(self._delivery, notification.kind, now=now)
        recipients = [Address.parse(uri) for uri in notification.audience[start:upto]]
        for route in self.routing.routes(kind, recipients, notification.channels):
            skipped = Finish(DeliveryStatus.skipped, route.skipped) if route.skipped else None
            if finish := end or skipped:
                deliveries.append(planned(job, route, finish.status, finish.reason))
            else:
                queued[route.channel].append(route)
        batches: list[ScheduledJob] = []
        for batch, routes in self._batches(notification, queued, latest):
            batches.append(batch)
            deliveries += [
                planned(batch.job, route, DeliveryStatus.queued, batch.reason) for route in routes
            ]
        finished = upto == len(notification.audience)
        return FanOutSlice(upto, deliveries, batches, finished, expired=end is EXPIRED)

    def _batches(
        self, notification: Notification, queued: Mapping[str, list[Route]], latest: dict[str, Job]
    ) -> Iterator[tuple[ScheduledJob, list[Route]]]:
        """Yield batches for the routes of each channel, each with its routes."""
        for channel, routes in queued.items():
            kind = self.kinds[notification.kind]
            quiet = self.decider.quiet(kind, kind.channels[channel], notification)
            for at in range(0, len(routes), BATCH_SIZE):
                batch = self._batch(notification, channel, latest.get(channel), quiet)
                latest[channel] = batch.job
                yield batch, routes[at : at + BATCH_SIZE]

    def _batch(
        self, notification: Notification, channel: str, latest: Job | None, quiet: Reschedule | None
    ) -> ScheduledJob:
        ordinal = latest.ordinal + 1 if latest else notification.fanned_out // BATCH_SIZE
        batch = Job(self.ids(), notification.id, notification.priority, channel, ordinal)
        if quiet is not None:
            return ScheduledJob(batch, quiet.due_at, quiet.reason, quiet.waiting)
        return ScheduledJob(self.dispatch.in_turn(batch, latest), self.clock.now())

    def _delivery(
        self,
        kind: str,
        job: Job,
        route: Route,
        status: DeliveryStatus,
        reason: str | None,
        *,
        now: int,
    ) -> Delivery:
        of, to = (job.notification_id, job.id), (kind, route.channel, route.address.value)
        return Delivery(self.ids(), *of, *to, status, due_at=now, updated_at=now, reason=reason)

    def _damaged(self, notification: Notification, job: Job) -> FanOutSlice:
        """Return the trace of a notification whose audience cannot be read."""
        route = Route("unknown", Address("unknown", "unreadable"))
        failed, reason = DeliveryStatus.failed, "the audience in the archive cannot be read"
        now = self.clock.now()
        delivery = self._delivery(notification.kind, job, route, failed, reason, now=now)
        return FanOutSlice(0, [delivery], [], finished=True)
