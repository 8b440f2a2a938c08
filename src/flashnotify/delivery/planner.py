"""Plans the deliveries of a notification: which recipients, on which channels, in which batches."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias
from uuid import UUID

from flashnotify.archive.people_records import DigestEntry
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
from flashnotify.delivery.digesting import digested
from flashnotify.delivery.recipients import Slice, addresses_of
from flashnotify.delivery.routing import Route, Routing
from flashnotify.domain import (
    BATCH_SIZE,
    Address,
    DeliveryStatus,
    Job,
    NotificationStatus,
    WaitReason,
)
from flashnotify.meta.registry import Registry
from flashnotify.meta.specs import NotifierSpec
from flashnotify.queue.dispatch import Dispatch

# Recipients whose deliveries are stored with their notification, without a fan-out job.
_FEW = 50
# The reason why the fan-out of a notification with `send_at` waits.
_SCHEDULED = "scheduled", WaitReason.scheduled
# What goes into the same batches: a channel, and until when quiet hours of people last.
_Together: TypeAlias = tuple[str, Reschedule | None]


@dataclass(eq=False, slots=True)
class Planner:
    """Plans deliveries; it stores nothing."""

    kinds: Registry[NotifierSpec]
    routing: Routing
    decider: Decider
    dispatch: Dispatch
    clock: Clock
    ids: Callable[[], UUID]

    def work(self, notification: Notification) -> ScheduledJob | FanOutSlice:
        """Return a new notification's fan-out job or, for few recipients, what that would make."""
        job = Job(self.ids(), notification.id, notification.priority)
        if notification.status is NotificationStatus.scheduled:
            assert notification.send_at is not None
            return ScheduledJob(job, notification.send_at, *_SCHEDULED)
        few = notification.recipients <= _FEW
        if few and (recipients := addresses_of(notification)) is not None:
            return self.plan(job, notification, recipients, {})
        return ScheduledJob(self.dispatch.in_turn(job), self.clock.now())

    def plan(
        self, job: Job, notification: Notification, some: Slice, latest: dict[str, Job]
    ) -> FanOutSlice:
        """Return the deliveries to some recipients, and the batches that they are in.

        `latest` keeps the latest batch of each channel from slice to slice.
        """
        now = self.clock.now()
        kind = self.kinds.get(notification.kind)
        end = self.decider.end(job, notification)
        deliveries: list[Delivery] = []
        entries: dict[UUID, DigestEntry] = {}
        zone = self.decider.zone
        queued: dict[_Together, list[Route]] = defaultdict(list)
        planned = partial(self._delivery, notification.kind, now=now)
        for route in self.routing.routes(kind, some.recipients, notification):
            skipped = Finish(DeliveryStatus.skipped, route.skipped) if route.skipped else None
            if finish := end or skipped:
                deliveries.append(planned(job, route, finish.status, finish.reason))
            elif route.person and (waits := digested(route, notification, zone, now)):
                entries[waits.entry.user_id] = waits.entry
                deliveries.append(planned(job, route, waits.end.status, waits.end.reason))
            else:
                quiet = self._quiet(kind, route, notification) if route.person else None
                queued[route.channel, quiet].append(route)
        batches: list[ScheduledJob] = []
        for batch, routes in self._batches(notification, queued, latest):
            batches.append(batch)
            deliveries += [
                planned(batch.job, route, DeliveryStatus.queued, batch.reason) for route in routes
            ]
        small = (
            notification if notification.recipients <= _FEW and some.last_person is None else None
        )
        return FanOutSlice(
            *(some.upto, deliveries, batches, some.finished, end is EXPIRED, small),
            *(some.last_person, some.more, [*entries.values()]),
        )

    def queue(self, stored: ScheduledJob | FanOutSlice) -> None:
        """Queue work that is on disk, now or when it is due."""
        for scheduled in [stored] if isinstance(stored, ScheduledJob) else stored.jobs:
            job = scheduled.job
            if scheduled.reason is not None:
                self.dispatch.wake_up(job.lane, scheduled.due_at)
            elif self.dispatch.put(job) and isinstance(stored, FanOutSlice):
                self._keep(stored, job)

    def _keep(self, stored: FanOutSlice, job: Job) -> None:
        """Keep what is needed next, when the batch of a small notification is carried out."""
        if stored.notification is not None:
            batch = [each for each in stored.deliveries if each.job_id == job.id]
            self.decider.in_flight.fresh.add(job, stored.notification, batch)

    def _batches(
        self,
        notification: Notification,
        queued: Mapping[_Together, list[Route]],
        latest: dict[str, Job],
    ) -> Iterator[tuple[ScheduledJob, list[Route]]]:
        """Yield batches for the routes of each channel that are due together, with their routes."""
        for (channel, own), routes in queued.items():
            kind = self.kinds[notification.kind]
            quiet = own or self.decider.quiet(kind, kind.channels[channel], notification)
            for at in range(0, len(routes), BATCH_SIZE):
                batch = self._batch(notification, channel, latest.get(channel), quiet)
                latest[channel] = batch.job
                yield batch, routes[at : at + BATCH_SIZE]

    def _quiet(
        self, kind: NotifierSpec | None, route: Route, notification: Notification
    ) -> Reschedule | None:
        """Return until when a person's delivery waits because of quiet hours of their own.

        These end at full minutes, so that many people share a batch.
        """
        person = route.person
        if kind is None or person is None or person.preferences.quiet_hours is None:
            return None
        return self.decider.quiet(kind, kind.channels[route.channel], notification, person)

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
        user_id = None if route.person is None else route.person.id
        return Delivery(self.ids(), *of, *to, status, now, now, reason, user_id=user_id)

    def damaged(self, notification: Notification, job: Job) -> FanOutSlice:
        """Return the trace of a notification whose audience cannot be read."""
        route = Route("unknown", Address("unknown", "unreadable"))
        failed, reason = DeliveryStatus.failed, "the audience in the archive cannot be read"
        now = self.clock.now()
        delivery = self._delivery(notification.kind, job, route, failed, reason, now=now)
        return FanOutSlice(0, [delivery], [], finished=True)
