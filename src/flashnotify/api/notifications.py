"""`/v1/notifications`: send one, list them, get one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse

from flashnotify.api.auth import NOTIFY_KIND, requires
from flashnotify.api.bodies import read_json
from flashnotify.api.paging import Cursor, Limit, Page
from flashnotify.api.problems import problems
from flashnotify.api.timestamps import Timestamp, timestamp
from flashnotify.archive.ports import Notifications
from flashnotify.archive.records import Notification, NotificationFilter
from flashnotify.control.lookup import find_notification
from flashnotify.domain import NotificationStatus, Priority, milliseconds
from flashnotify.identity.principal import READ, Principal
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.submission import Submission


class AcceptedOut(BaseModel):
    """A notification that is on disk and will be sent."""

    id: UUID
    status: NotificationStatus
    href: str


class NotificationOut(BaseModel):
    """A notification and its status."""

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
    counts: Mapping[str, Mapping[str, int]]


IdempotencyHeader = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]+$",
        max_length=255,
        description="A repeated request with the same key is done once. Kept for 24 h.",
    ),
]


def accepted_response(accepted: Accepted) -> JSONResponse:
    """Return the 202 of a notification that is on disk."""
    href = f"/v1/notifications/{accepted.id}"
    headers = {"Location": href}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    content = {"id": str(accepted.id), "status": accepted.status, "href": href}
    return JSONResponse(content, 202, headers)


def notifications_router(
    submission: Submission, notifications: Notifications, max_request_bytes: int
) -> APIRouter:
    """Return the endpoints of `/v1/notifications`."""
    router = APIRouter(prefix="/v1/notifications", tags=["notifications"])

    @router.post(
        "",
        status_code=202,
        response_model=AcceptedOut,
        summary="Send a notification",
        responses=problems(409),
    )
    async def accept(
        request: Request,
        principal: Annotated[Principal, requires(NOTIFY_KIND)],
        idempotency_key: IdempotencyHeader = None,
    ) -> JSONResponse:
        document = await read_json(request, max_request_bytes)
        accepted = await submission.accept(principal, document, idempotency_key)
        return accepted_response(accepted)

    @router.get("", summary="List notifications")
    async def index(
        _principal: Annotated[Principal, requires(READ)],
        kind: str | None = None,
        status: NotificationStatus | None = None,
        priority: Literal["low", "medium", "high", "critical"] | None = None,
        reference: str | None = None,
        since: Annotated[Timestamp | None, Query(description="Accepted at or after.")] = None,
        until: Annotated[Timestamp | None, Query(description="Accepted before.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[NotificationOut]:
        wanted = NotificationFilter(
            kind=kind,
            status=status,
            priority=Priority[priority] if priority is not None else None,
            reference=reference,
            since=None if since is None else milliseconds(since),
            until=None if until is None else milliseconds(until),
        )
        page = await notifications.page(wanted, limit=limit, cursor=cursor)
        items = [NotificationOut(**_summary(found)) for found in page.items]
        return Page[NotificationOut](items=items, next=page.next)

    @router.get("/{id}", summary="Get a notification", responses=problems(404))
    async def show(
        id: UUID, _principal: Annotated[Principal, requires(READ)]
    ) -> NotificationDetail:
        notification = await find_notification(notifications, id, audience=True)
        return _detail(notification, await notifications.counts(id))

    return router


def _summary(notification: Notification) -> dict[str, Any]:
    return {
        "id": notification.id,
        "kind": notification.kind,
        "title": notification.title,
        "priority": notification.priority.name,
        "status": notification.status,
        "reference": notification.reference,
        "accepted_at": timestamp(notification.accepted_at),
        "send_at": timestamp(notification.send_at),
        "expires_at": timestamp(notification.expires_at),
        "completed_at": timestamp(notification.completed_at),
        "href": f"/v1/notifications/{notification.id}",
    }


def _detail(
    notification: Notification, counts: Mapping[str, Mapping[str, int]]
) -> NotificationDetail:
    channels = notification.channels
    return NotificationDetail(
        **_summary(notification),
        body=notification.body,
        data=dict(notification.data),
        to=[str(address) for address in notification.audience],
        channels=None if channels is None else list(channels),
        locale=notification.locale,
        counts=counts,
    )
