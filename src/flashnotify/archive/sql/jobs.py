"""Jobs, each read by the index of its lane, in SQL."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    tuple_,
    union_all,
    update,
)

from flashnotify.archive.models import JobRow
from flashnotify.archive.models import Notification as NotificationRow
from flashnotify.archive.records import Reschedule, ScheduledJob
from flashnotify.archive.sql.access import Access
from flashnotify.archive.sql.changes import Change, Stage, Statement, row_of, update_row
from flashnotify.archive.sql.reading import is_damaged, known, recorded
from flashnotify.archive.sql.waiting import leave_with, move_waiting
from flashnotify.archive.write_lanes import WriteLane
from flashnotify.domain import Job, Lane, Priority, WaitReason

log = structlog.get_logger(__name__)

T = TypeVar("T")

# The year 9999.
NEVER = 253_370_764_800_000
# In the order of the record's fields.
_jobs = select(*(JobRow.__table__.c[field.name] for field in fields(Job)))


ADD_JOB = Statement(insert(JobRow), Stage.children)
RESCHEDULE_JOB = update_row(JobRow, stage=Stage.endings)
RECONSIDER_JOBS = Statement(
    update(JobRow)
    .where(
        JobRow.turn.is_(None),
        JobRow.channel.is_not(None),
        JobRow.due_at > bindparam("beyond"),
        or_(JobRow.waiting == WaitReason.retrying, JobRow.waiting == WaitReason.breaker_open),
    )
    .values(due_at=bindparam("now")),
    Stage.endings,
)
# Until somebody repairs them: damage cannot be undone here, and they would be read for ever.
SET_DAMAGED_ASIDE = Statement(
    update(JobRow)
    .where(or_(*map(is_damaged, (JobRow.id, JobRow.notification_id))))
    .values(turn=None, due_at=NEVER, reason="its row is damaged"),
    Stage.endings,
)
# No lane has them, so that they would never be read.
_of_no_lane = not_(JobRow.priority.between(min(Priority), max(Priority)))
TAKE_PRIORITY = Statement(
    update(JobRow)
    .where(_of_no_lane)
    .values(
        priority=func.coalesce(
            select(NotificationRow.priority)
            .where(NotificationRow.id == JobRow.notification_id)
            .where(NotificationRow.priority.between(min(Priority), max(Priority)))
            .scalar_subquery(),
            int(Priority.low),
        )
    ),
    Stage.endings,
)
FINISH_JOB = Statement(delete(JobRow).where(JobRow.id == bindparam("of")), Stage.endings)


class SqlJobs(Access):
    """Implements `Jobs`."""

    async def ready(self, lane: Lane, after: tuple[int, UUID] | None, limit: int) -> Sequence[Job]:
        query = _jobs.where(in_lane(lane), JobRow.turn.is_not(None))
        if after is not None:
            query = query.where(tuple_(JobRow.turn, JobRow.id) > after)
        query = query.order_by(JobRow.turn, JobRow.id).limit(limit)
        return await self._readable(query, _job)

    async def waited(
        self, lane: Lane, now: int, after: tuple[int, UUID] | None, limit: int
    ) -> Sequence[ScheduledJob]:
        query = _jobs.add_columns(JobRow.due_at, JobRow.reason, JobRow.waiting)
        query = query.where(in_lane(lane), JobRow.turn.is_(None), JobRow.due_at <= now)
        if after is not None:
            query = query.where(tuple_(JobRow.due_at, JobRow.id) > after)
        query = query.order_by(JobRow.due_at, JobRow.id).limit(limit)
        return await self._readable(query, _scheduled)

    async def _readable(self, query: Select[Any], record: Callable[[Row[Any]], T]) -> Sequence[T]:
        """Return the jobs that `query` finds and that can be read; set the others aside."""
        rows = await self._reader.rows(query, {})
        if any(row is None for row in rows):
            await self._writer.write((SET_DAMAGED_ASIDE, {}), lane=WriteLane.bulk)
        return await recorded(rows, record)

    async def next_due(self, lane: Lane, now: int) -> int | None:
        later = (JobRow.turn.is_(None), JobRow.due_at > now)
        return await self._time(oldest_due(lane).where(*later))

    async def oldest_due(self, lanes: Sequence[Lane]) -> Mapping[Lane, int]:
        # One read for all lanes.
        queries = [
            oldest_due(lane).add_columns(literal(number)) for number, lane in enumerate(lanes)
        ]
        rows: Sequence[Any] = ()
        if queries:
            rows = await self._reader.all(union_all(*queries), {})
        return {lanes[number]: due for due, number in rows if due is not None}

    async def channels(self) -> frozenset[str]:
        return frozenset(await self._reader.distinct(JobRow.channel))

    async def _time(self, query: Select[Any]) -> int | None:
        due: int | None = await self._reader.value(query)
        return due

    async def reschedule(self, job: Job, until: Reschedule) -> None:
        row = {**row_of(until), "of": job.id, "turn": None}
        await self._writer.write(
            (RESCHEDULE_JOB, row), *move_waiting(job), lane=WriteLane.of(job.priority)
        )

    async def reconsider(self, beyond: int, now: int) -> None:
        row = {"beyond": beyond, "now": now}
        changes: list[Change] = [(RECONSIDER_JOBS, row)]
        if (
            await self._reader.value(select(JobRow.priority).where(_of_no_lane).limit(1))
            is not None
        ):
            log.error("archive.jobs_repaired", error="unknown priority")
            changes.append((TAKE_PRIORITY, {}))
        await self._writer.write(*changes, lane=WriteLane.bulk)

    async def finish(self, job: Job) -> None:
        await self._writer.write(*finish_job(job), lane=WriteLane.of(job.priority))


def oldest_due(lane: Lane) -> Select[Any]:
    """Return the query for the earliest due time of a lane's jobs."""
    return select(func.min(JobRow.due_at)).where(in_lane(lane))


def in_lane(lane: Lane) -> ColumnElement[bool]:
    """Return whether a job is in a lane."""
    # Equality with NULL, written so that the databases use an index for it.
    channel = JobRow.channel.is_(None) if lane.channel is None else JobRow.channel == lane.channel
    return and_(channel, JobRow.priority == int(lane.priority))


def _job(row: Iterable[Any]) -> Job:
    id, notification_id, priority, channel, ordinal, turn, *_ = row
    return Job(id, notification_id, Priority(priority), channel, ordinal, turn)


def _scheduled(row: Row[Any]) -> ScheduledJob:
    waiting = known(WaitReason, row.waiting, WaitReason.due)
    return ScheduledJob(_job(row), row.due_at, row.reason, waiting)


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
        "waiting": str(scheduled.waiting),
    }


def finish_job(job: Job, ended: int = 0) -> list[Change]:
    """Return the changes that remove a job; `ended` of its deliveries end in the same commit."""
    return [leave_with(job, ended), (FINISH_JOB, {"of": job.id})]
