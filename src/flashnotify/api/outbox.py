"""`/v1/outbox`: what `capture://` keeps instead of sending it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from flashnotify.api.problems import problems
from flashnotify.api.requests import Authenticate, Cursor, Limit
from flashnotify.archive.reads.reader import Reader
from flashnotify.domain import moment
from flashnotify.identity.principal import READ, Caller


class OutboxOut(BaseModel):
    """A message as its recipient would have got it."""

    id: UUID
    notification_id: UUID
    delivery_id: UUID
    channel: str
    to: str
    subject: str | None
    text: str
    html: str | None
    captured_at: datetime


class OutboxPage(BaseModel):
    """One page of a list, newest first."""

    items: list[OutboxOut]
    next: str | None


def outbox_router(reader: Reader, authenticate: Authenticate) -> APIRouter:
    """The endpoint `/v1/outbox`."""
    router = APIRouter(prefix="/v1/outbox", tags=["outbox"])

    @router.get(
        "", summary="See what was captured, not sent", responses=problems(401, 403, 422, 429, 503)
    )
    async def index(
        caller: Annotated[Caller, Depends(authenticate)],
        notification: Annotated[UUID | None, Query(description="Only of this one.")] = None,
        channel: str | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> OutboxPage:
        caller.require(READ)
        page = await reader.outbox(
            notification_id=notification, channel=channel, limit=limit, cursor=cursor
        )
        items = [
            OutboxOut(
                id=row.id,
                notification_id=row.notification_id,
                delivery_id=row.delivery_id,
                channel=row.channel,
                to=row.address,
                subject=row.subject,
                text=row.text,
                html=row.html,
                captured_at=moment(row.captured_at),
            )
            for row in page.items
        ]
        return OutboxPage(items=items, next=page.next)

    return router
