"""`/v1/notifications`: send one, list them, get one, cancel or retry one."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, fields
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, BeforeValidator, Field

from flashnotify.api.auth import Reader, Sender, actor_of
from flashnotify.api.bodies import read_json
from flashnotify.api.fields import (
    Cursor,
    Limit,
    Page,
    PriorityName,
    Time,
    Timestamp,
    Wait,
    read_from,
)
from flashnotify.api.json_answer import JsonAnswer
from flashnotify.api.path_prefix import link
from flashnotify.api.problems import FieldProblem, problems
from flashnotify.api.sending_route import IdempotencyHeader, SendingRoute
from flashnotify.archive import records
from flashnotify.archive.ports import Notifications
from flashnotify.control.cancel_and_retry import (
    CancelAndRetry,
    find_controlled,
    find_notification,
    find_visible,
)
from flashnotify.domain import AudienceEntry, NotificationStatus, Outcome, Priority
from flashnotify.identity.audit import Actor
from flashnotify.identity.principal import Principal
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.submission import Submission
from flashnotify.meta.requests import Entries
from flashnotify.telemetry.long_polling import LongPolling


class StatusOut(BaseModel):
    """A notification's status, and where to find more."""

    id: UUID
    status: NotificationStatus
    href: str


class AcceptedOut(StatusOut):
    """A notification that is on disk and will be sent.

    `warnings` list what was requested but is not available. `outcome` is present if the request
    waited until all deliveries ended.
    """

    outcome: Outcome | None = None
    warnings: list[FieldProblem] | None = None


def _href(id: UUID) -> str:
    return link(f"/v1/notifications/{id}")


class NotificationOut(BaseModel):
    """A notification and its status."""

    id: UUID
    kind: str
    title: str
    recipients: int
    priority: PriorityName
    status: NotificationStatus
    outcome: Outcome | None
    reference: str | None
    accepted_at: Time
    send_at: Time | None
    expires_at: Time | None
    completed_at: Time | None
    href: Annotated[str, read_from("id"), BeforeValidator(_href)]


class NotificationDetail(NotificationOut):
    """A notification with its content, and its deliveries counted by channel and status.

    `to` is there only if asked for, since it may be long.
    """

    body: str
    data: dict[str, Any]
    to: Annotated[Entries | None, Field(exclude_if=lambda to: to is None)] = None
    channels: list[str] | None
    locale: str
    texts: Annotated[
        Mapping[str, Mapping[str, str]] | None, Field(exclude_if=lambda texts: texts is None)
    ] = None
    personalised: bool
    acknowledge: bool
    reminds_of: UUID | None
    counts: Mapping[str, Mapping[str, int]]


def _entry(entry: AudienceEntry) -> Any:
    """Return an entry of an audience as requests have it."""
    if isinstance(entry, str):
        return entry
    parts = {"all": entry.all, "any": entry.any, "not": entry.none}
    return {name: [*map(_entry, some)] for name, some in parts.items() if some}


# What an endpoint declares that returns `accepted_response`.
ACCEPTED: dict[str, Any] = {"status_code": 202, "response_model": AcceptedOut}


def accepted_response(
    accepted: Accepted, reached: records.Notification | None = None
) -> JsonAnswer:
    """Return the 202 of a notification that is on disk, as far as it has `reached`."""
    href = _href(accepted.id)
    headers = [(b"location", href.encode())]
    if accepted.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    status = reached.status if reached is not None else accepted.status
    content: dict[str, Any] = {"id": accepted.id, "status": str(status), "href": href}
    if reached is not None and reached.outcome is not None:
        content["outcome"] = reached.outcome
    if accepted.warnings:
        content["warnings"] = [*map(asdict, accepted.warnings)]
    return JsonAnswer(content, 202, headers)


def ended(notification: records.Notification) -> bool:
    """Return whether a notification is over: at most what is in flight will still be sent."""
    return notification.status.final


def notifications_router(
    submission: Submission,
    notifications: Notifications,
    long_polling: LongPolling,
    max_request_bytes: int,
) -> APIRouter:
    """Return the endpoints of `/v1/notifications`."""
    router = APIRouter(prefix="/v1/notifications", tags=["notifications"])

    async def send_notification(
        request: Request, principal: Sender, idempotency_key: IdempotencyHeader = None
    ) -> JsonAnswer:
        document = await read_json(request, max_request_bytes)
        accepted = await submission.accept(principal, document, idempotency_key)
        return accepted_response(accepted)

    router.add_api_route(
        "",
        send_notification,
        methods=["POST"],
        route_class_override=SendingRoute,
        summary="Send a notification",
        description="A 202 means that it is on disk and will be sent. Only `kind`, `title`, "
        "`body` and `to` are required, and what the kind requires in `data`.",
        responses=problems(409),
        **ACCEPTED,
    )

    @router.get(
        "",
        summary="List notifications",
        description="Newest first, without content and addresses. Filters can be combined.",
        response_model=Page[NotificationOut],
    )
    async def list_notifications(
        principal: Reader,
        kind: str | None = None,
        status: NotificationStatus | None = None,
        outcome: Annotated[
            Outcome | None,
            Query(description="How its deliveries ended. Null before the last one has."),
        ] = None,
        priority: Literal["low", "medium", "high", "critical"] | None = None,
        reference: str | None = None,
        since: Annotated[Timestamp | None, Query(description="Accepted at or after.")] = None,
        until: Annotated[Timestamp | None, Query(description="Accepted before.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> records.Page[records.Notification]:
        level = None if priority is None else Priority[priority]
        filters = (kind, status, outcome, level, reference, since, until)
        wanted = records.NotificationFilter(*filters, sender=principal.only_sender)
        return await notifications.page(wanted, limit=limit, cursor=cursor)

    @router.get(
        "/{id}",
        summary="Get a notification",
        description="The notification with its content, and its deliveries counted by channel and "
        "status. With `wait`, the answer comes once it is over.",
        response_model=NotificationDetail,
    )
    async def get_notification(
        id: UUID,
        principal: Reader,
        include: Annotated[
            list[Literal["to"]] | None, Query(description="`to`: the recipients too.")
        ] = None,
        wait: Wait = 0,
    ) -> dict[str, Any]:
        look = partial(find_visible, notifications, principal, id, audience=bool(include))
        notification = await long_polling.until(principal.id, wait, id, look, ended)
        shown = {field.name: getattr(notification, field.name) for field in fields(notification)}
        if include:
            shown["to"] = [*map(_entry, notification.audience)]
        return shown | {"counts": await notifications.counts(id)}

    return router


class ControlOut(StatusOut):
    """The notification's status, and its deliveries counted by channel and status.

    Its content is left out: the scope to send does not include the scope to read.
    """

    counts: Mapping[str, Mapping[str, int]]


def control_router(control: CancelAndRetry, notifications: Notifications) -> APIRouter:
    """Return the endpoints that cancel and retry notifications."""
    router = APIRouter(
        prefix="/v1/notifications/{id}", tags=["notifications"], responses=problems(409)
    )

    @router.post(
        "/cancel",
        summary="Cancel a notification",
        description="Deliveries that are not sent yet are cancelled. Only who sent it, or an "
        "admin, may do it.",
    )
    async def cancel_notification(id: UUID, principal: Sender, request: Request) -> ControlOut:
        return await act(id, principal, request, control.cancel)

    @router.post(
        "/retry",
        summary="Retry failed deliveries",
        description="Failed deliveries are queued again; the other deliveries are untouched. Only "
        "who sent it, or an admin, may do it.",
    )
    async def retry_notification(id: UUID, principal: Sender, request: Request) -> ControlOut:
        return await act(id, principal, request, control.retry)

    async def act(
        id: UUID,
        principal: Principal,
        request: Request,
        action: Callable[[UUID, Actor], Awaitable[object]],
    ) -> ControlOut:
        notification = await find_controlled(notifications, principal, id)
        principal.require(f"notify:{notification.kind}")
        await action(id, actor_of(request, principal))
        notification = await find_notification(notifications, id)
        counts = await notifications.counts(id)
        return ControlOut(id=id, status=notification.status, href=_href(id), counts=counts)

    return router
