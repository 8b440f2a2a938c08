"""Counts of what waits, by lane and the reason of the job, kept by the writes themselves."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, text

from flashnotify.archive.models import Id
from flashnotify.archive.records import Delivery, ScheduledJob
from flashnotify.archive.sql.changes import Change, Stage, Statement, upsert
from flashnotify.archive.statistics_models import Waiting
from flashnotify.domain import DeliveryStatus, Job

# What a job holds: the deliveries of its batch that have not ended, or one fan-out.
_HELD = """
    CASE WHEN channel IS NULL THEN 1 ELSE (
        SELECT count(*) FROM deliveries WHERE job_id = jobs.id AND status = 'queued'
    ) END"""
_OF_JOB = """(channel, priority, reason) = (
    SELECT coalesce(channel, ''), priority, waiting FROM jobs WHERE id = :of)"""
_of = bindparam("of", type_=Id())

ADD_WAITING = upsert(Waiting, Stage.totals, add=("number",))
LEAVE_WAITING = Statement(
    text(f"UPDATE waiting SET number = number - :number WHERE {_OF_JOB}").bindparams(  # noqa: S608  # our own text
        _of, bindparam("number", type_=BigInteger())
    ),
    Stage.totals,
    amounts=("number",),
)
# `ended` deliveries of the job have ended in the same commit, and no longer count as held.
LEAVE_WITH_JOB = Statement(
    text(
        f"UPDATE waiting SET number = number - :ended - (SELECT {_HELD} FROM jobs WHERE id = :of) "  # noqa: S608  # our own text
        f"WHERE {_OF_JOB}"
    ).bindparams(_of, bindparam("ended", type_=BigInteger())),
    Stage.leaving,
)
JOIN_WITH_JOB = Statement(
    text(
        "INSERT INTO waiting (channel, priority, reason, number) "  # noqa: S608  # our own text
        f"SELECT coalesce(channel, ''), priority, waiting, {_HELD} FROM jobs WHERE id = :of "
        "ON CONFLICT (channel, priority, reason) "
        "DO UPDATE SET number = waiting.number + excluded.number"
    ).bindparams(_of),
    Stage.joining,
)


def add_waiting(scheduled: ScheduledJob, number: int) -> Change:
    """Return the change that `number` more wait in a new job."""
    job = scheduled.job
    return ADD_WAITING, {
        "channel": job.channel or "",
        "priority": int(job.priority),
        "reason": str(scheduled.waiting),
        "number": number,
    }


def add_batches(jobs: Iterable[ScheduledJob], deliveries: Iterable[Delivery]) -> list[Change]:
    """Return the changes that the queued ones of new deliveries wait in their new jobs."""
    held = Counter(d.job_id for d in deliveries if d.status is DeliveryStatus.queued)
    return [add_waiting(scheduled, held[scheduled.job.id]) for scheduled in jobs]


def end_waiting(job_id: UUID, number: int) -> Change:
    """Return the change that `number` deliveries, which have ended, no longer wait in their job."""
    return LEAVE_WAITING, {"of": job_id, "number": number}


def move_waiting(job: Job) -> list[Change]:
    """Return the changes that what a job holds waits for the job's new reason."""
    return [leave_with(job), (JOIN_WITH_JOB, {"of": job.id})]


def leave_with(job: Job, ended: int = 0) -> Change:
    """Return the change that what a job holds, and `ended` more deliveries, wait no more."""
    return LEAVE_WITH_JOB, {"of": job.id, "ended": ended}
