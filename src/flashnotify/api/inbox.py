"""`/v1/inbox`: one's own messages of the in-app channel."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel

from flashnotify.api.auth import AnyKey, own_id
from flashnotify.api.events import STREAM_RESPONSES, LastEventId, event_stream
from flashnotify.api.fields import Cursor, Limit, Page, PriorityName, Time
from flashnotify.api.problems import problems
from flashnotify.api.streamed_answers import StreamedAnswer
from flashnotify.archive import records
from flashnotify.archive.inbox_ports import Inbox
from flashnotify.archive.people_records import InboxMessage
from flashnotify.clock import Clock
from flashnotify.errors import NotFound
from flashnotify.identity.principal import Principal
from flashnotify.telemetry.inbox_feed import InboxFeed, News


class InboxMessageOut(BaseModel):
    """A message. `read_at` is null until it is read."""

    id: UUID
    notification_id: UUID
    kind: str
    priority: PriorityName
    title: str
    body: str
    created_at: Time
    read_at: Time | None


class UnreadOut(BaseModel):
    """The number of messages that are not read."""

    unread: int


def inbox_router(inbox: Inbox, feed: InboxFeed, clock: Clock) -> APIRouter:
    """Return the endpoints of `/v1/inbox`."""
    router = APIRouter(prefix="/v1/inbox", tags=["inbox"])

    @router.get(
        "",
        summary="List your messages",
        responses=problems(403),
        description="The last to arrive first. API keys have no inbox.",
        response_model=Page[InboxMessageOut],
    )
    async def list_inbox(
        principal: AnyKey,
        unread: Annotated[bool, Query(description="Only messages that are not read.")] = False,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> records.Page[InboxMessage]:
        return await inbox.page(own_id(principal), unread=unread, limit=limit, cursor=cursor)

    @router.get(
        "/unread",
        summary="Count your unread messages",
        responses=problems(403),
        description="The number that a page shows beside its bell.",
    )
    async def count_unread(principal: AnyKey) -> UnreadOut:
        return UnreadOut(unread=await inbox.unread(own_id(principal)))

    @router.post(
        "/{id:uuid}/read",
        summary="Mark a message as read",
        description="Once it is read, it stays read. Returns how many are still unread.",
    )
    async def mark_read(id: UUID, principal: AnyKey) -> UnreadOut:
        user_id = await owner_of(id, principal)
        await inbox.mark_read(user_id, id, clock.now())
        return await changed(user_id)

    @router.post(
        "/read",
        summary="Mark messages as read",
        description="All of your messages, or those that arrived up to one of them.",
    )
    async def mark_all_read(
        principal: AnyKey,
        upto: Annotated[UUID | None, Query(description="The id of the last one to mark.")] = None,
    ) -> UnreadOut:
        user_id = own_id(principal) if upto is None else await owner_of(upto, principal)
        await inbox.mark_all_read(user_id, upto, clock.now())
        return await changed(user_id)

    @router.delete(
        "/{id:uuid}",
        status_code=204,
        summary="Delete a message",
        description="From your inbox; what else is known of its delivery stays.",
    )
    async def delete_message(id: UUID, principal: AnyKey) -> None:
        user_id = await owner_of(id, principal)
        await inbox.remove(user_id, id)
        feed.wake(user_id)

    async def owner_of(id: UUID, principal: Principal) -> UUID:
        user_id = own_id(principal)
        if await inbox.find(user_id, id) is None:
            raise NotFound(f"No message in your inbox has the id {str(id)!r}.")
        return user_id

    async def changed(user_id: UUID) -> UnreadOut:
        feed.wake(user_id)
        return UnreadOut(unread=await inbox.unread(user_id))

    _add_stream(router, feed)
    return router


def _add_stream(router: APIRouter, feed: InboxFeed) -> None:
    async def follower(principal: AnyKey) -> Principal:
        # Before the response starts: an error could not be reported after that.
        feed.require_room(own_id(principal))
        return principal

    @router.get(
        "/events",
        status_code=200,
        response_class=StreamedAnswer,
        responses=STREAM_RESPONSES | problems(403),
        summary="Stream your new messages",
        description="An event `message` for each, then `unread` with the number that are not read, "
        "which also comes at the start, after each change, and every 15 seconds. A client that "
        "reconnects with the id of the last event gets what arrived meanwhile.",
    )
    async def stream_inbox(
        request: Request,
        principal: Annotated[Principal, Depends(follower)],
        last_event_id: LastEventId = None,
    ) -> StreamedAnswer:
        allowed = partial(request.app.state.authentication.is_valid, request, principal)
        following = feed.follow(own_id(principal), last_event_id, allowed)
        return event_stream(_encoded(following))


async def _encoded(following: AsyncIterator[News]) -> AsyncIterator[bytes]:
    async with aclosing(following) as found:  # type: ignore[type-var]  # it is a generator
        async for news in found:
            for number, message in news.messages:
                data = InboxMessageOut.model_validate(message, from_attributes=True)
                yield format_sse_event(
                    id=str(number), event="message", data_str=data.model_dump_json()
                )
            unread = json.dumps({"unread": news.unread})
            yield format_sse_event(id=str(news.seen), event="unread", data_str=unread)
