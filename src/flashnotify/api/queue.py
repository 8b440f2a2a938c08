"""`/v1/queue`: the depth and age of each lane."""

from fastapi import APIRouter
from pydantic import BaseModel

from flashnotify.api.auth import Reader
from flashnotify.archive.ports import Jobs
from flashnotify.clock import Clock
from flashnotify.queue.dispatch import Dispatch


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


class QueueOut(BaseModel):
    """Every lane, the most urgent first."""

    lanes: list[LaneOut]


def queue_router(dispatch: Dispatch, jobs: Jobs, clock: Clock) -> APIRouter:
    """Return the endpoint `/v1/queue`."""
    router = APIRouter(prefix="/v1/queue", tags=["statistics"])

    @router.get("", summary="Get the depth and age of the queues")
    async def show_queue(_: Reader) -> QueueOut:
        lanes = []
        for lane in dispatch.lanes():
            queue = dispatch.queue(lane.channel)
            oldest = await jobs.oldest_due(lane)
            lanes.append(
                LaneOut(
                    channel=lane.channel,
                    priority=lane.priority.name,
                    depth=queue.depth()[lane.priority],
                    in_flight=queue.in_flight(lane.priority),
                    bound=queue.bound,
                    more_on_disk=queue.has_overflowed(lane.priority),
                    oldest_seconds=0.0 if oldest is None else max(0, clock.now() - oldest) / 1000,
                )
            )
        return QueueOut(lanes=lanes)

    return router
