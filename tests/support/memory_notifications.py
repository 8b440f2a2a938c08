"""The notifications and jobs of an archive in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from flashnotify.archive.api_key_records import DailyRecipients
from flashnotify.archive.cost_centre_records import SmsUsage
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.people_records import DigestEntry
from flashnotify.archive.records import (
    Delivery,
    FanOutSlice,
    IdempotencyRecord,
    Notification,
    NotificationFilter,
    Page,
    Reschedule,
    ScheduledJob,
)
from flashnotify.archive.sql.statistics import TOTAL_SPAN
from flashnotify.archive.statistics_records import ACCEPTED
from flashnotify.domain import DeliveryStatus, Job, Lane, NotificationStatus, Priority, WaitReason
from flashnotify.errors import WriteRefused
from tests.support.memory_state import State, made_within, matches, page


class MemoryNotifications:
    """Implements `Notifications`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def accept(
        self,
        notification: Notification,
        work: ScheduledJob | FanOutSlice,
        answer: IdempotencyRecord | None,
        reached: DailyRecipients | None = None,
        digested: Sequence[DigestEntry] = (),
        charged: SmsUsage | None = None,
    ) -> None:
        async with self._state.write("notifications.accept"):
            if notification.id in self._state.notifications:
                raise WriteRefused("UNIQUE constraint failed: notifications.id")
            self._state.put_notification(notification)
            self._state.pending[notification.id] = 1
            if isinstance(work, ScheduledJob):
                self._state.jobs[work.job.id] = work
            else:
                self._fan_out(notification.id, work, notification.accepted_at)
            since = notification.accepted_at - notification.accepted_at % TOTAL_SPAN
            self._state.totals[since, notification.kind, "", ACCEPTED] += 1
            if answer is not None:
                self._state.answers[answer.caller, answer.key] = answer
            assert charged is None
            if reached is not None:
                self._state.count_recipients(reached)

    async def find(self, id: UUID, *, audience: bool = True) -> Notification | None:
        await self._state.read()
        notification = self._state.notifications.get(id)
        if notification is not None and id in self._state.damaged:
            return replace(notification, data={}, audience=(), damaged=True)
        if notification is None or audience:
            return notification
        return replace(notification, audience=())

    async def page(
        self, wanted: NotificationFilter, *, limit: int, cursor: str | None
    ) -> Page[Notification]:
        await self._state.read()
        found = [
            self._listed(n)
            for n in self._state.notifications.values()
            if matches(
                (
                    (n.kind, wanted.kind),
                    (n.status, wanted.status),
                    (n.outcome, wanted.outcome),
                    (n.priority, wanted.priority),
                    (n.reference, wanted.reference),
                    (n.sender, wanted.sender),
                )
            )
            and made_within(n.id, wanted.since, wanted.until)
        ]
        return page(found, lambda n: n.id, limit, cursor)

    def _listed(self, notification: Notification) -> Notification:
        data = {} if notification.id in self._state.damaged else notification.data
        return replace(notification, audience=(), data=data)

    async def counts(self, id: UUID) -> Mapping[str, Mapping[str, int]]:
        await self._state.read()
        counts: dict[str, dict[str, int]] = {}
        for (channel, status), number in self._state.counts.get(id, {}).items():
            if number:
                counts.setdefault(channel, {})[status] = number
        return counts

    async def idempotent_answer(self, caller: str, key: str) -> IdempotencyRecord | None:
        await self._state.read()
        return self._state.answers.get((caller, key))

    async def add_deliveries(self, job: Job, done: FanOutSlice, now: int) -> None:
        async with self._state.write("notifications.add_deliveries"):
            self._fan_out(job.notification_id, done, now)
            if done.finished:
                self._state.jobs.pop(job.id, None)

    def _fan_out(self, id: UUID, done: FanOutSlice, now: int) -> None:
        state = self._state
        for delivery in done.deliveries:
            state.put_delivery(delivery)
            state.count(id, delivery.channel, delivery.status, 1)
        for scheduled in done.jobs:
            state.jobs[scheduled.job.id] = scheduled
        notification = state.notifications[id]
        status = notification.status
        if not status.final:
            status = NotificationStatus.sending
        if status is NotificationStatus.sending and done.expired:
            status = NotificationStatus.expired
        state.put_notification(
            replace(notification, status=status, updated_at=now, fanned_out=done.upto)
        )
        state.pending[id] += sum(d.status is DeliveryStatus.queued for d in done.deliveries)
        if done.finished:
            state.end_some(id, 1, now)

    async def cancel(
        self, id: UUID, priority: Priority, now: int, entry: AuditEntry | None = None
    ) -> None:
        async with self._state.write("notifications.cancel"):
            notification = self._state.notifications.get(id)
            if notification is None or notification.status.final:
                return
            self._state.append_entry(entry)
            self._state.put_notification(
                replace(
                    notification,
                    status=NotificationStatus.cancelled,
                    updated_at=now,
                    completed_at=now,
                )
            )
            for scheduled in list(self._state.jobs.values()):
                if scheduled.job.notification_id == id:
                    job = replace(scheduled.job, turn=None)
                    self._state.jobs[job.id] = replace(scheduled, job=job, due_at=now)

    async def requeue(
        self,
        id: UUID,
        failed: Sequence[Delivery],
        jobs: Sequence[Job],
        now: int,
        entry: AuditEntry | None = None,
    ) -> None:
        async with self._state.write("notifications.requeue"):
            self._state.append_entry(entry)
            by_channel = {job.channel: job for job in jobs}
            for delivery in failed:
                stored = self._state.deliveries[delivery.id]
                self._state.put_delivery(
                    replace(
                        stored,
                        job_id=by_channel[delivery.channel].id,
                        status=DeliveryStatus.queued,
                        reason=None,
                        due_at=now,
                        first_attempt_at=None,
                        updated_at=now,
                    )
                )
                self._state.count(id, delivery.channel, DeliveryStatus.failed, -1)
                self._state.count(id, delivery.channel, DeliveryStatus.queued, 1)
            for job in jobs:
                self._state.jobs[job.id] = ScheduledJob(job, now)
            self._state.pending[id] += len(failed)
            self._state.put_notification(
                replace(
                    self._state.notifications[id],
                    status=NotificationStatus.sending,
                    updated_at=now,
                    completed_at=None,
                    outcome=None,
                )
            )


class MemoryJobs:
    """Implements `Jobs`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def ready(self, lane: Lane, after: tuple[int, UUID] | None, limit: int) -> Sequence[Job]:
        await self._state.read()
        found = sorted(
            ((j.job.turn, j.job.id), j.job) for j in self._in(lane) if j.job.turn is not None
        )
        return [job for key, job in found if after is None or key > after][:limit]

    async def waited(
        self, lane: Lane, now: int, after: tuple[int, UUID] | None, limit: int
    ) -> Sequence[ScheduledJob]:
        await self._state.read()
        found = sorted(
            ((j.due_at, j.job.id), j)
            for j in self._in(lane)
            if j.job.turn is None and j.due_at <= now
        )
        return [job for key, job in found if after is None or key > after][:limit]

    async def next_due(self, lane: Lane, now: int) -> int | None:
        await self._state.read()
        found = (j.due_at for j in self._in(lane) if j.job.turn is None and j.due_at > now)
        return min(found, default=None)

    async def oldest_due(self, lanes: Sequence[Lane]) -> Mapping[Lane, int]:
        await self._state.read()
        due = {lane: [j.due_at for j in self._in(lane)] for lane in lanes}
        return {lane: min(found) for lane, found in due.items() if found}

    async def channels(self) -> frozenset[str]:
        await self._state.read()
        jobs = self._state.jobs.values()
        return frozenset(j.job.channel for j in jobs if j.job.channel is not None)

    async def reschedule(self, job: Job, until: Reschedule) -> None:
        async with self._state.write("jobs.reschedule"):
            if job.id in self._state.jobs:
                waiting = replace(self._state.jobs[job.id].job, turn=None)
                self._state.jobs[job.id] = ScheduledJob(
                    waiting, until.due_at, until.reason, until.waiting
                )

    async def reconsider(self, beyond: int, now: int) -> None:
        reasons = (WaitReason.retrying, WaitReason.breaker_open)
        for id, scheduled in list(self._state.jobs.items()):
            job = scheduled.job
            waits = job.turn is None and job.channel is not None and scheduled.due_at > beyond
            if waits and scheduled.waiting in reasons:
                self._state.jobs[id] = replace(scheduled, due_at=now)

    async def finish(self, job: Job) -> None:
        async with self._state.write("jobs.finish"):
            self._state.jobs.pop(job.id, None)

    def _in(self, lane: Lane) -> list[ScheduledJob]:
        return [j for j in self._state.jobs.values() if j.job.lane == lane]
