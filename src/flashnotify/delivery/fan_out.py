"""Fans a notification out: audience → recipients → routes → deliveries, in batches."""

import asyncio
from dataclasses import dataclass

import structlog

from flashnotify.archive.ports import Archive
from flashnotify.archive.records import FanOutSlice
from flashnotify.clock import Clock
from flashnotify.delivery.planner import Planner
from flashnotify.delivery.recipients import Recipients
from flashnotify.domain import Job

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class FanOut:
    """Carries out fan-out jobs: turns a notification into the jobs of batches."""

    archive: Archive
    recipients: Recipients
    planner: Planner
    clock: Clock

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
            await self._store(job, self.planner.damaged(notification, job))
            return
        latest: dict[str, Job] = {}
        finished = False
        async for some in self.recipients.slices(notification):
            # To load, plan and store them takes milliseconds each.
            await asyncio.sleep(0)
            done = self.planner.plan(job, notification, some, latest)
            await asyncio.sleep(0)
            await self._store(job, done)
            finished = done.finished
        if not finished:
            # The last slice had already finished this job when it was read again.
            await self.archive.jobs.finish(job)

    async def _store(self, job: Job, done: FanOutSlice) -> None:
        await self.archive.notifications.add_deliveries(job, done, self.clock.now())
        self.planner.queue(done)
