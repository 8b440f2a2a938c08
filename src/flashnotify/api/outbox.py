"""`/v1/outbox`: messages that `capture://` kept instead of sending them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from flashnotify.api.auth import Reader
from flashnotify.api.fields import Cursor, Limit, Page, Time, read_from
from flashnotify.archive import records
from flashnotify.archive.ports import Outbox


class OutboxOut(BaseModel):
    """A message as its recipient would have received it."""

    id: UUID
    notification_id: UUID
    delivery_id: UUID
    channel: str
    to: Annotated[str, read_from("address")]
    subject: str | None
    text: str
    html: str | None
    captured_at: Time


def outbox_router(outbox: Outbox) -> APIRouter:
    """Return the endpoint `/v1/outbox`."""
    router = APIRouter(prefix="/v1/outbox", tags=["outbox"])

    @router.get(
        "",
        summary="List captured messages",
        description="Newest first: the messages of channels whose transport is `capture://`, "
        "which sends nothing.",
        response_model=Page[OutboxOut],
    )
    async def index(
        _: Reader,
        notification: Annotated[
            UUID | None, Query(description="The id of the notification.")
        ] = None,
        channel: str | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> records.Page[records.OutboxMessage]:
        wanted = records.OutboxFilter(notification, channel)
        return await outbox.page(wanted, limit=limit, cursor=cursor)

    return router
