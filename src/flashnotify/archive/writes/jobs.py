"""Writes of jobs."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert

from flashnotify.archive.models import JobRow
from flashnotify.archive.reads.jobs import JobReads
from flashnotify.archive.records import Reschedule, ScheduledJob
from flashnotify.archive.writes.changes import Change, Stage, Statement, row_of, update_row
from flashnotify.domain import Job

ADD_JOB = Statement(insert(JobRow), Stage.children)
RESCHEDULE_JOB = update_row(JobRow, stage=Stage.endings)
FINISH_JOB = Statement(delete(JobRow).where(JobRow.id == bindparam("of")), Stage.endings)


class SqlJobs(JobReads):
    """Implements `Jobs`."""

    async def reschedule(self, job: Job, until: Reschedule) -> None:
        row = {"of": job.id, "turn": None, "due_at": until.due_at, "reason": until.reason}
        await self._writer.write((RESCHEDULE_JOB, row))

    async def finish(self, job: Job) -> None:
        await self._writer.write(finish_job(job))


def add_job(scheduled: ScheduledJob) -> Change:
    """Return the change that stores a job."""
    waiting = {"due_at": scheduled.due_at, "reason": scheduled.reason}
    return ADD_JOB, row_of(scheduled.job) | waiting


def finish_job(job: Job) -> Change:
    """Return the change that removes a job."""
    return FINISH_JOB, {"of": job.id}
