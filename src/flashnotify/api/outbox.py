"""`/v1/outbox`: messages that `capture://` kept instead of sending them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from flashnotify.api.auth import requires
from flashnotify.api.paging import Cursor, Limit, Page
from flashnotify.archive.ports import Outbox
from flashnotify.archive.records import OutboxFilter, OutboxMessage
from flashnotify.domain import moment
from flashnotify.identity.principal import READ, Principal


class OutboxOut(BaseModel):
    """A message as its recipient would have received it."""

    id: UUID
    notification_id: UUID
    delivery_id: UUID
    channel: str
    to: str
    subject: str | None
    text: str
    html: str | None
    captured_at: datetime


def outbox_router(outbox: Outbox) -> APIRouter:
    """Return the endpoint `/v1/outbox`."""
    router = APIRouter(prefix="/v1/outbox", tags=["outbox"])

    @router.get("", summary="List captured messages")
    async def index(
        _principal: Annotated[Principal, requires(READ)],
        notification: Annotated[
            UUID | None, Query(description="The id of the notification.")
        ] = None,
        channel: str | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[OutboxOut]:
        wanted = OutboxFilter(notification, channel)
        page = await outbox.page(wanted, limit=limit, cursor=cursor)
        return Page[OutboxOut](items=[_message(message) for message in page.items], next=page.next)

    return router


def _message(message: OutboxMessage) -> OutboxOut:
    return OutboxOut(
        id=message.id,
        notification_id=message.notification_id,
        delivery_id=message.delivery_id,
        channel=message.channel,
        to=message.address,
        subject=message.subject,
        text=message.text,
        html=message.html,
        captured_at=moment(message.captured_at),
    )
