"""`/v1/notifications`: send one, list them, get one."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, BeforeValidator, Field
from starlette.responses import JSONResponse

from flashnotify.api.auth import NOTIFY_KIND, requires
from flashnotify.api.bodies import read_json
from flashnotify.api.fields import Cursor, Limit, Page, PriorityName, Time, Timestamp
from flashnotify.api.problems import problems
from flashnotify.archive import records
from flashnotify.archive.ports import Notifications
from flashnotify.control.control import find_notification
from flashnotify.domain import Address, NotificationStatus, Priority, milliseconds
from flashnotify.identity.principal import READ, Principal
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.submission import Submission


class AcceptedOut(BaseModel):
    """A notification that is on disk and will be sent."""

    id: UUID
    status: NotificationStatus
    href: str


def _href(id: UUID) -> str:
    return f"/v1/notifications/{id}"


class NotificationOut(BaseModel):
    """A notification and its status."""

    id: UUID
    kind: str
    title: str
    priority: PriorityName
    status: NotificationStatus
    reference: str | None
    accepted_at: Time
    send_at: Time | None
    expires_at: Time | None
    completed_at: Time | None
    href: Annotated[str, Field(validation_alias="id"), BeforeValidator(_href)]


def _texts(audience: Sequence[Address]) -> list[str]:
    return [str(address) for address in audience]


class NotificationDetail(NotificationOut):
    """A notification with its content, and its deliveries counted by channel and status."""

    body: str
    data: dict[str, Any]
    to: Annotated[list[str], Field(validation_alias="audience"), BeforeValidator(_texts)]
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


# What an endpoint declares that returns `accepted_response`.
ACCEPTED: dict[str, Any] = {"status_code": 202, "response_model": AcceptedOut}


def accepted_response(accepted: Accepted) -> JSONResponse:
    """Return the 202 of a notification that is on disk."""
    href = _href(accepted.id)
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

    @router.post("", summary="Send a notification", responses=problems(409), **ACCEPTED)
    async def accept(
        request: Request,
        principal: Annotated[Principal, requires(NOTIFY_KIND)],
        idempotency_key: IdempotencyHeader = None,
    ) -> JSONResponse:
        document = await read_json(request, max_request_bytes)
        accepted = await submission.accept(principal, document, idempotency_key)
        return accepted_response(accepted)

    @router.get(
        "",
        summary="List notifications",
        response_model=Page[NotificationOut],
        dependencies=[requires(READ)],
    )
    async def index(
        kind: str | None = None,
        status: NotificationStatus | None = None,
        priority: Literal["low", "medium", "high", "critical"] | None = None,
        reference: str | None = None,
        since: Annotated[Timestamp | None, Query(description="Accepted at or after.")] = None,
        until: Annotated[Timestamp | None, Query(description="Accepted before.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> records.Page[records.Notification]:
        wanted = records.NotificationFilter(
            kind=kind,
            status=status,
            priority=Priority[priority] if priority is not None else None,
            reference=reference,
            since=None if since is None else milliseconds(since),
            until=None if until is None else milliseconds(until),
        )
        return await notifications.page(wanted, limit=limit, cursor=cursor)

    @router.get(
        "/{id}",
        summary="Get a notification",
        response_model=NotificationDetail,
        responses=problems(404),
        dependencies=[requires(READ)],
    )
    async def show(id: UUID) -> dict[str, Any]:
        notification = await find_notification(notifications, id, audience=True)
        shown = {field.name: getattr(notification, field.name) for field in fields(notification)}
        return shown | {"counts": await notifications.counts(id)}

    return router
