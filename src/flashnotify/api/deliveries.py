"""Deliveries and their attempts: those of a notification, and those of all."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated
from urllib.parse import unquote
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from flashnotify.api.auth import Reader
from flashnotify.api.fields import Cursor, Limit, Page, Time, Timestamp
from flashnotify.api.long_answers import page_answer
from flashnotify.archive.people_ports import Directory
from flashnotify.archive.ports import Archive
from flashnotify.archive.records import Attempt, DeliveryFilter, ListedDelivery
from flashnotify.control.cancel_and_retry import find_visible
from flashnotify.delivery.in_flight import InFlight
from flashnotify.delivery.transports import OpenChannel
from flashnotify.domain import AttemptOutcome, DeliveryStatus, WaitReason, moment
from flashnotify.errors import FieldError, InvalidInput
from flashnotify.identity.principal import PEOPLE, Principal
from flashnotify.people.lookup import find_id
from flashnotify.people.masked_addresses import masked, masked_in
from flashnotify.time_slices import TimeSlices


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
    """One notification to one recipient on one channel.

    `user` is the person whom it is for, if the audience names people; without the scope `people`,
    the address is masked. While it is `queued`, `next_attempt_at` is the time of the next attempt,
    and `waiting` says why it is not made now. While it is `sending`, an attempt is being made.
    `attempts` has the last five of the `attempt_count` made.
    """

    id: UUID
    notification_id: UUID
    kind: str
    channel: str
    to: str
    user: UUID | None
    status: DeliveryStatus
    reason: str | None
    updated_at: Time
    next_attempt_at: Time | None
    waiting: WaitReason | None
    attempt_count: int
    attempts: list[AttemptOut]


UserName = Annotated[
    str | None, Query(description="The id or external id of a person.", max_length=255)
]
# Of each delivery in a list.
_LATEST_ATTEMPTS = 5


def deliveries_router(
    archive: Archive,
    directory: Directory,
    in_flight: InFlight,
    channels: Mapping[str, OpenChannel],
    slices: TimeSlices,
) -> APIRouter:
    """Return the endpoints `/v1/deliveries` and `/v1/notifications/{id}/deliveries`."""
    router = APIRouter(prefix="/v1", tags=["notifications"])

    @router.get(
        "/notifications/{id}/deliveries",
        summary="List the deliveries of a notification",
        description="Each delivery has its last five attempts, with the provider's answers.",
        response_model=Page[DeliveryOut],
    )
    async def list_deliveries_of_notification(
        principal: Reader,
        id: UUID,
        status: DeliveryStatus | None = None,
        channel: str | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        await find_visible(archive.notifications, principal, id)
        wanted = DeliveryFilter(notification_id=id, status=status, channel=channel)
        return await listed(wanted, principal, limit, cursor)

    @router.get(
        "/deliveries",
        summary="List the deliveries of all notifications",
        description="Newest first, with the last five attempts of each. Every filter, and every "
        "combination, is fast however many deliveries there are.",
        response_model=Page[DeliveryOut],
    )
    async def list_deliveries(
        principal: Reader,
        status: DeliveryStatus | None = None,
        channel: str | None = None,
        to: Annotated[
            str | None,
            Query(
                description="An address, in any case: `ada@univ.example`, or as it was sent to: "
                "`mailto:ada@univ.example`.",
                max_length=1000,
            ),
        ] = None,
        user: UserName = None,
        kind: str | None = None,
        since: Annotated[Timestamp | None, Query(description="Created at or after.")] = None,
        until: Annotated[Timestamp | None, Query(description="Created before.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        address = None if to is None else _address(to, channels)
        wanted = DeliveryFilter(
            *(None, address, kind, status, channel, since, until),
            sender=principal.only_sender,
            user=None if user is None else await find_id(directory, user, "/user"),
            # Whoever may not see people's addresses may not try them out either.
            people=address is None or principal.allows(PEOPLE),
        )
        return await listed(wanted, principal, limit, cursor)

    async def listed(
        wanted: DeliveryFilter, principal: Principal, limit: int, cursor: str | None
    ) -> Response:
        # The archive knows no `sending`: those are queued deliveries that are in flight.
        sending = in_flight.sending(wanted.notification_id)
        if wanted.status is DeliveryStatus.sending:
            wanted = replace(wanted, status=DeliveryStatus.queued, only=sending)
        elif wanted.status is DeliveryStatus.queued:
            wanted = replace(wanted, excluding=sending)
        page = await archive.deliveries.page(wanted, limit=limit, cursor=cursor)
        # An attempt that ended meanwhile may be in the archive already.
        still = sending & in_flight.sending(wanted.notification_id)
        found = [each for each in page.items if wanted.only is None or each.id in still]
        attempts = await archive.deliveries.attempts(
            [each.id for each in found], latest=_LATEST_ATTEMPTS
        )
        items = (_delivery(each, attempts[each.id], each.id in still) for each in found)
        hide = not principal.allows(PEOPLE)
        return await page_answer(map(_masked, items) if hide else items, page.next, slices)

    return router


def _address(to: str, channels: Mapping[str, OpenChannel]) -> str:
    """Return an address as deliveries have it, from an address or its URI."""
    scheme, colon, value = to.partition(":")
    for channel in channels.values():
        if colon and channel.spec.scheme == scheme.lower():
            try:
                return channel.check_address(unquote(value))
            except ValueError as error:
                raise InvalidInput([FieldError.of("/to", error)]) from None
    # A plus sign that was not encoded.
    return f"+{to.strip()}" if to.startswith(" ") else to.strip()


def _masked(delivery: DeliveryOut) -> DeliveryOut:
    """Return a delivery as those see it who may not look people up."""
    if delivery.user is None:
        return delivery
    attempts = [
        attempt.model_copy(update={"answer": masked_in(attempt.answer, delivery.to)})
        for attempt in delivery.attempts
    ]
    reason = masked_in(delivery.reason, delivery.to)
    shown = {"to": masked(delivery.to), "reason": reason, "attempts": attempts}
    return delivery.model_copy(update=shown)


def _delivery(
    delivery: ListedDelivery, attempts: Mapping[int, Attempt], sending: bool
) -> DeliveryOut:
    queued = delivery.status is DeliveryStatus.queued
    return DeliveryOut(
        id=delivery.id,
        notification_id=delivery.notification_id,
        kind=delivery.kind,
        channel=delivery.channel,
        to=delivery.address,
        user=delivery.user_id,
        status=DeliveryStatus.sending if queued and sending else delivery.status,
        reason=delivery.reason,
        updated_at=moment(delivery.updated_at),
        next_attempt_at=moment(delivery.due_at) if queued and not sending else None,
        waiting=None if sending else delivery.waiting,
        # Only attempts that the delivery counts: others may have been added since it was read.
        attempt_count=delivery.attempts,
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
            for number, attempt in attempts.items()
            if number <= delivery.attempts
        ],
    )
