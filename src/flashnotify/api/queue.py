"""`/v1/queue`: what waits and why, and the queues in memory."""

from fastapi import APIRouter
from pydantic import BaseModel

from flashnotify.api.auth import Reader
from flashnotify.archive.ports import Jobs
from flashnotify.archive.statistics_port import Statistics
from flashnotify.clock import Clock
from flashnotify.domain import Lane, WaitReason
from flashnotify.queue.dispatch import Dispatch
from flashnotify.telemetry.statistics import seconds_due


class LaneOut(BaseModel):
    """One lane: the batches of a channel, or the fan-outs (`channel` null), of one priority.

    `depth` counts the jobs in memory; more may be on disk. `oldest_seconds` is how long the oldest
    job has been due, in memory or on disk.
    """

    channel: str | None
    priority: str
    depth: int
    in_flight: int
    bound: int
    more_on_disk: bool
    oldest_seconds: float


class WaitingOut(BaseModel):
    """The deliveries of a lane that wait for one reason; of fan-outs, the notifications.

    `oldest_seconds` is the age of the oldest; for the reason `due`, how long it has been due.
    """

    channel: str | None
    priority: str
    reason: WaitReason
    number: int
    oldest_seconds: float


class QueueOut(BaseModel):
    """What waits, in memory or on disk, and every lane, the most urgent first."""

    waiting: list[WaitingOut]
    lanes: list[LaneOut]


def queue_router(statistics: Statistics, dispatch: Dispatch, jobs: Jobs, clock: Clock) -> APIRouter:
    """Return the endpoint `/v1/queue`."""
    router = APIRouter(prefix="/v1/queue", tags=["statistics"])

    @router.get(
        "",
        summary="Get what waits, why and for how long",
        description="`waiting` counts deliveries by channel, priority and reason, however many "
        "there are. `lanes` has the jobs in memory, and how long the oldest has been due.",
    )
    async def get_queue(_: Reader) -> QueueOut:
        now = clock.now()
        waiting = [
            WaitingOut(
                channel=held.lane.channel,
                priority=held.lane.priority.name,
                reason=held.reason,
                number=held.number,
                oldest_seconds=seconds_due(held.since, now),
            )
            for held in await statistics.waiting()
        ]
        oldest = await jobs.oldest_due(dispatch.lanes())
        lanes = [shown(lane, oldest.get(lane)) for lane in dispatch.lanes()]
        return QueueOut(waiting=waiting, lanes=lanes)

    def shown(lane: Lane, oldest: int | None) -> LaneOut:
        queue = dispatch.queue(lane.channel)
        return LaneOut(
            channel=lane.channel,
            priority=lane.priority.name,
            depth=queue.depth()[lane.priority],
            in_flight=queue.in_flight(lane.priority),
            bound=queue.bound,
            more_on_disk=queue.has_overflowed(lane.priority),
            oldest_seconds=seconds_due(oldest, clock.now()),
        )

    return router
