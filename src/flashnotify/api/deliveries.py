"""`/v1/notifications/{id}/deliveries`: the deliveries of a notification and their attempts."""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from flashnotify.api.auth import Reader
from flashnotify.api.fields import Cursor, Limit, Page, Time
from flashnotify.archive.ports import Archive
from flashnotify.archive.records import Attempt, Delivery, DeliveryFilter
from flashnotify.control.cancel_and_retry import find_notification
from flashnotify.delivery.in_flight import InFlight
from flashnotify.domain import AttemptOutcome, DeliveryStatus, moment


class AttemptOut(BaseModel):
    """One attempt at a delivery. `answer` is the provider's text, `reference` its message id."""

    number: int
    at: Time
    duration_ms: float
    transport: str
    outcome: AttemptOutcome
    answer: str | None
    reference: str | None


class DeliveryOut(BaseModel):
    """One notification to one recipient on one channel. `next_attempt_at` while it is queued."""

    id: UUID
    channel: str
    to: str
    status: DeliveryStatus
    reason: str | None
    updated_at: Time
    next_attempt_at: Time | None
    attempts: list[AttemptOut]


def deliveries_router(archive: Archive, in_flight: InFlight) -> APIRouter:
    """Return the endpoint `/v1/notifications/{id}/deliveries`."""
    router = APIRouter(prefix="/v1/notifications", tags=["notifications"])

    @router.get(
        "/{id}/deliveries",
        summary="List the deliveries of a notification",
        description="Each delivery has its attempts, with the provider's answers.",
    )
    async def deliveries(
        _: Reader,
        id: UUID,
        status: DeliveryStatus | None = None,
        channel: str | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[DeliveryOut]:
        await find_notification(archive.notifications, id)
        # The archive knows no `sending`: those are queued deliveries that are in flight.
        sending = in_flight.sending(id)
        wanted = DeliveryFilter(
            status=DeliveryStatus.queued if status is DeliveryStatus.sending else status,
            channel=channel,
            only=sending if status is DeliveryStatus.sending else None,
            excluding=sending if status is DeliveryStatus.queued else frozenset(),
        )
        page = await archive.deliveries.page(id, wanted, limit=limit, cursor=cursor)
        attempts = await archive.deliveries.attempts([found.id for found in page.items])
        items = [_delivery(found, attempts[found.id], found.id in sending) for found in page.items]
        return Page[DeliveryOut](items=items, next=page.next)

    return router


def _delivery(delivery: Delivery, attempts: Sequence[Attempt], sending: bool) -> DeliveryOut:
    queued = delivery.status is DeliveryStatus.queued
    return DeliveryOut(
        id=delivery.id,
        channel=delivery.channel,
        to=delivery.address,
        status=DeliveryStatus.sending if queued and sending else delivery.status,
        reason=delivery.reason,
        updated_at=moment(delivery.updated_at),
        next_attempt_at=moment(delivery.due_at) if queued else None,
        # Only attempts that the delivery counts: others may have been added since it was read.
        attempts=[
            AttemptOut(
                number=number,
                at=moment(attempt.at),
                duration_ms=round(attempt.duration * 1000, 3),
                transport=attempt.transport,
                outcome=attempt.outcome,
                answer=attempt.answer,
                reference=attempt.reference,
            )
            for number, attempt in enumerate(attempts[: delivery.attempts], 1)
        ],
    )
