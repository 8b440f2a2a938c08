"""Jobs, each read by the index of its lane, in SQL."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, select, tuple_

from flashnotify.archive.models import JobRow
from flashnotify.archive.records import Reschedule, ScheduledJob
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, update_row
from flashnotify.archive.write_lanes import WriteLane
from flashnotify.domain import Job, Lane, Priority

# In the order of the record's fields.
_jobs = select(*(JobRow.__table__.c[field.name] for field in fields(Job)))

ADD_JOB = Statement(insert(JobRow), Stage.children)
RESCHEDULE_JOB = update_row(JobRow, stage=Stage.endings)
FINISH_JOB = Statement(delete(JobRow).where(JobRow.id == bindparam("of")), Stage.endings)


class SqlJobs(Access):
    """Implements `Jobs`."""

    async def ready(self, lane: Lane, after: tuple[int, UUID] | None, limit: int) -> Sequence[Job]:
        query = _jobs.where(_in(lane), JobRow.turn.is_not(None))
        if after is not None:
            query = query.where(tuple_(JobRow.turn, JobRow.id) > after)
        query = query.order_by(JobRow.turn, JobRow.id).limit(limit)
        return [_job(row) for row in await self._reader.all(query, {})]

    async def waited(
        self, lane: Lane, now: int, after: tuple[int, UUID] | None, limit: int
    ) -> Sequence[ScheduledJob]:
        query = _jobs.add_columns(JobRow.due_at, JobRow.reason)
        query = query.where(_in(lane), JobRow.turn.is_(None), JobRow.due_at <= now)
        if after is not None:
            query = query.where(tuple_(JobRow.due_at, JobRow.id) > after)
        query = query.order_by(JobRow.due_at, JobRow.id).limit(limit)
        rows = await self._reader.all(query, {})
        return [ScheduledJob(_job(row), row.due_at, row.reason) for row in rows]

    async def next_due(self, lane: Lane, now: int) -> int | None:
        return await self._first_due(and_(_in(lane), JobRow.turn.is_(None), JobRow.due_at > now))

    async def oldest_due(self, lane: Lane) -> int | None:
        return await self._first_due(_in(lane))

    async def channels(self) -> frozenset[str]:
        return frozenset(await self._reader.distinct(JobRow.channel))

    async def _first_due(self, which: ColumnElement[bool]) -> int | None:
        due: int | None = await self._reader.value(select(func.min(JobRow.due_at)).where(which))
        return due

    async def reschedule(self, job: Job, until: Reschedule) -> None:
        row = {"of": job.id, "turn": None, "due_at": until.due_at, "reason": until.reason}
        await self._writer.write((RESCHEDULE_JOB, row), lane=WriteLane.of(job.priority))

    async def finish(self, job: Job) -> None:
        await self._writer.write(finish_job(job), lane=WriteLane.of(job.priority))


def _in(lane: Lane) -> ColumnElement[bool]:
    # Equality with NULL, written so that the databases use an index for it.
    channel = JobRow.channel.is_(None) if lane.channel is None else JobRow.channel == lane.channel
    return and_(channel, JobRow.priority == int(lane.priority))


def _job(row: Iterable[Any]) -> Job:
    id, notification_id, priority, channel, ordinal, turn, *_ = row
    return Job(id, notification_id, Priority(priority), channel, ordinal, turn)


def add_job(scheduled: ScheduledJob) -> Change:
    """Return the change that stores a job."""
    waiting = {"due_at": scheduled.due_at, "reason": scheduled.reason}
    return ADD_JOB, row_of(scheduled.job) | waiting


def finish_job(job: Job) -> Change:
    """Return the change that removes a job."""
    return FINISH_JOB, {"of": job.id}
