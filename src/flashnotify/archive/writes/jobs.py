"""Writes of jobs."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, update

from flashnotify.archive.access import Access
from flashnotify.archive.models import JobRow
from flashnotify.archive.records import Reschedule, ScheduledJob
from flashnotify.archive.writes.changes import Change, Stage, Statement
from flashnotify.domain import Job

ADD_JOB = Statement(insert(JobRow), Stage.children)
RESCHEDULE_JOB = Statement(
    update(JobRow)
    .where(JobRow.id == bindparam("of"))
    .values(turn=None, due_at=bindparam("due"), reason=bindparam("why")),
    Stage.endings,
)
FINISH_JOB = Statement(delete(JobRow).where(JobRow.id == bindparam("of")), Stage.endings)


class JobWrites(Access):
    """The writes of the port `Jobs`."""

    async def reschedule(self, job: Job, until: Reschedule) -> None:
        row = {"of": job.id, "due": until.due_at, "why": until.reason}
        await self._writer.write((RESCHEDULE_JOB, row))

    async def finish(self, job: Job) -> None:
        await self._writer.write(finish_job(job))


def add_job(scheduled: ScheduledJob) -> Change:
    """Return the change that stores a job."""
    job = scheduled.job
    return ADD_JOB, {
        "id": job.id,
        "notification_id": job.notification_id,
        "channel": job.channel,
        "priority": int(job.priority),
        "due_at": scheduled.due_at,
        "turn": job.turn,
        "ordinal": job.ordinal,
        "reason": scheduled.reason,
    }


def finish_job(job: Job) -> Change:
    """Return the change that removes a job."""
    return FINISH_JOB, {"of": job.id}
