"""`/v1/notifications`: accept, list, look at one and at its deliveries."""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel
from sqlalchemy import Row
from starlette.responses import JSONResponse

from flashnotify.api.problems import problems
from flashnotify.api.requests import Authenticate, Cursor, Limit, Moment, read_json
from flashnotify.archive.reads.reader import NotificationFilter, Reader
from flashnotify.delivery.in_flight import Claims
from flashnotify.domain import (
    AttemptOutcome,
    DeliveryStatus,
    NotificationStatus,
    Priority,
    milliseconds,
    moment,
)
from flashnotify.errors import NotFound
from flashnotify.identity.principal import READ, Caller
from flashnotify.intake.submission import Accepted, Submission


class AcceptedOut(BaseModel):
    """It is on disk, and will be sent."""

    id: UUID
    status: NotificationStatus
    href: str


class NotificationOut(BaseModel):
    """A notification and where it is on its way."""

    id: UUID
    kind: str
    title: str
    priority: str
    status: NotificationStatus
    reference: str | None
    accepted_at: datetime
    send_at: datetime | None
    expires_at: datetime | None
    completed_at: datetime | None
    href: str


class NotificationDetail(NotificationOut):
    """A notification with its content, and its deliveries counted by channel and status."""

    body: str
    data: dict[str, Any]
    to: list[str]
    channels: list[str] | None
    locale: str
    counts: dict[str, dict[str, int]]


class NotificationPage(BaseModel):
    """One page of a list, newest first."""

    items: list[NotificationOut]
    next: str | None


class AttemptOut(BaseModel):
    """One try at a delivery, and what the provider said."""

    number: int
    at: datetime
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
    updated_at: datetime
    next_attempt_at: datetime | None
    attempts: list[AttemptOut]


class DeliveryPage(BaseModel):
    """One page of a list, newest first."""

    items: list[DeliveryOut]
    next: str | None


IdempotencyHeader = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]+$",
        max_length=255,
        description="Repeat a request with the same key, and it is done once. Kept for 24 h.",
    ),
]


def accepted_response(accepted: Accepted) -> JSONResponse:
    """The 202 of a notification that is on disk."""
    href = f"/v1/notifications/{accepted.id}"
    headers = {"Location": href}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    content = {"id": str(accepted.id), "status": accepted.status, "href": href}
    return JSONResponse(content, 202, headers)


def notifications_router(
    submission: Submission,
    claims: Claims,
    reader: Reader,
    authenticate: Authenticate,
    max_request_bytes: int,
) -> APIRouter:
    """The endpoints under `/v1/notifications`."""
    router = APIRouter(prefix="/v1/notifications", tags=["notifications"])

    @router.post(
        "",
        status_code=202,
        response_model=AcceptedOut,
        summary="Accept a notification",
        responses=problems(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
    )
    async def accept(
        request: Request,
        caller: Annotated[Caller, Depends(authenticate)],
        idempotency_key: IdempotencyHeader = None,
    ) -> JSONResponse:
        document = await read_json(request, max_request_bytes)
        accepted = await submission.accept(caller, document, idempotency_key)
        return accepted_response(accepted)

    @router.get("", summary="List notifications", responses=problems(401, 403, 422, 429, 503))
    async def index(
        caller: Annotated[Caller, Depends(authenticate)],
        kind: str | None = None,
        status: NotificationStatus | None = None,
        priority: Annotated[
            str | None, Query(pattern="^(" + "|".join(Priority.__members__) + ")$")
        ] = None,
        reference: str | None = None,
        since: Annotated[Moment | None, Query(description="Accepted from then on.")] = None,
        until: Annotated[Moment | None, Query(description="Accepted before then.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> NotificationPage:
        caller.require(READ)
        wanted = NotificationFilter(
            kind=kind,
            status=status,
            priority=Priority[priority] if priority is not None else None,
            reference=reference,
            since=None if since is None else milliseconds(since),
            until=None if until is None else milliseconds(until),
        )
        page = await reader.notifications(wanted, limit=limit, cursor=cursor)
        items = [NotificationOut(**_notification(row)) for row in page.items]
        return NotificationPage(items=items, next=page.next)

    @router.get(
        "/{id}", summary="Look at a notification", responses=problems(401, 403, 404, 422, 429, 503)
    )
    async def show(
        id: UUID, caller: Annotated[Caller, Depends(authenticate)]
    ) -> NotificationDetail:
        caller.require(READ)
        return await notification_detail(reader, id)

    @router.get(
        "/{id}/deliveries",
        summary="Look at its deliveries and their attempts",
        responses=problems(401, 403, 404, 422, 429, 503),
    )
    async def deliveries(
        id: UUID,
        caller: Annotated[Caller, Depends(authenticate)],
        status: DeliveryStatus | None = None,
        channel: str | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> DeliveryPage:
        caller.require(READ)
        await find_notification(reader, id)
        page = await reader.deliveries(
            id, status=status, channel=channel, limit=limit, cursor=cursor
        )
        attempts = await reader.attempts([row.id for row in page.items])
        sending = claims.sending(id)
        # Those that the row knows of: more may have been written since it was read.
        items = [
            _delivery(row, attempts[row.id][: row.attempts], row.id in sending)
            for row in page.items
        ]
        return DeliveryPage(items=items, next=page.next)

    return router


async def find_notification(reader: Reader, id: UUID) -> Row[Any]:
    """The row of a notification.

    Raises:
        NotFound: there is none.
    """
    row = await reader.notification(id)
    if row is None:
        raise NotFound("There is no notification with this id.")
    return row


async def notification_detail(reader: Reader, id: UUID) -> NotificationDetail:
    """All there is to say about a notification.

    Raises:
        NotFound: there is none.
    """
    row = await find_notification(reader, id)
    return NotificationDetail(
        **_notification(row),
        body=row.body,
        data=json.loads(row.data),
        to=json.loads(row.audience),
        channels=json.loads(row.channels) if row.channels else None,
        locale=row.locale,
        counts=await reader.counts(id),
    )


def _notification(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "title": row.title,
        "priority": Priority(row.priority).name,
        "status": row.status,
        "reference": row.reference,
        "accepted_at": moment(row.accepted_at),
        "send_at": _moment(row.send_at),
        "expires_at": _moment(row.expires_at),
        "completed_at": _moment(row.completed_at),
        "href": f"/v1/notifications/{row.id}",
    }


def _delivery(row: Row[Any], attempts: list[Row[Any]], sending: bool) -> DeliveryOut:
    queued = row.status == DeliveryStatus.queued
    return DeliveryOut(
        id=row.id,
        channel=row.channel,
        to=row.address,
        status=DeliveryStatus.sending if queued and sending else row.status,
        reason=row.reason,
        updated_at=moment(row.updated_at),
        next_attempt_at=moment(row.due_at) if queued else None,
        attempts=[
            AttemptOut(
                number=attempt.number,
                at=moment(attempt.at),
                duration_ms=attempt.duration_ms,
                transport=attempt.transport,
                outcome=attempt.outcome,
                answer=attempt.answer,
                reference=attempt.reference,
            )
            for attempt in attempts
        ],
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else moment(ms)
