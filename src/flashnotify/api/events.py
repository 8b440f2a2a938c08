"""`/v1/events`: changes of notifications and deliveries, as server-sent events."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Send

from flashnotify.api.auth import Reader
from flashnotify.archive.records import Event
from flashnotify.domain import moment
from flashnotify.identity.principal import Principal
from flashnotify.telemetry.events import EventPage, Events, Missed

LastEventId = Annotated[
    int | None,
    Header(ge=0, le=2**62, description="Resume after this event. Default: new events only."),
]
_MEDIA_TYPE = "text/event-stream"
# No proxy may keep events back.
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
# The schema of one event of the stream, as OpenAPI 3.2 has it.
_ITEM = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("data", "event", "id")},
}
STREAM_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {_MEDIA_TYPE: {"itemSchema": _ITEM}}}
}


class EventStream(StreamingResponse):
    """A stream whose follower leaves as soon as the response ends, however it does."""

    async def stream_response(self, send: Send) -> None:
        """Send the stream."""
        async with aclosing(self.body_iterator):  # type: ignore[type-var]  # it is a generator
            await super().stream_response(send)


def event_stream(content: AsyncIterator[bytes]) -> EventStream:
    """Return the response with events that are encoded already."""
    return EventStream(content, headers=_HEADERS, media_type=_MEDIA_TYPE)


def events_router(events: Events) -> APIRouter:
    """Return the endpoint `/v1/events`."""
    router = APIRouter(prefix="/v1/events", tags=["events"])

    async def follower(principal: Reader) -> Principal:
        # Before the response starts: an error could not be reported after that.
        events.require_room(principal.id)
        return principal

    @router.get(
        "",
        status_code=200,
        response_class=EventStream,
        responses=STREAM_RESPONSES,
        summary="Stream events",
        description="The events `notification` and `delivery` carry the new status. Without "
        "`read:all` or `admin`, they are those of one's own notifications. The latest 100,000 "
        "events are kept; a client that resumes after an older one, or reads more slowly than "
        "events come, receives an event `missed` with the range that it did not get.",
    )
    async def stream_events(
        request: Request,
        principal: Annotated[Principal, Depends(follower)],
        last_event_id: LastEventId = None,
    ) -> EventStream:
        allowed = partial(request.app.state.authentication.is_valid, request, principal)
        following = events.follow(principal.id, last_event_id, allowed)
        if principal.only_sender is not None:
            following = events.follow_own(principal.only_sender, following)
        return event_stream(_encoded(following))

    return router


async def _encoded(following: AsyncIterator[EventPage | Missed | int]) -> AsyncIterator[bytes]:
    async with aclosing(following) as events:  # type: ignore[type-var]  # it is a generator
        async for found in events:
            if isinstance(found, int):
                # With an id, so that a client that reconnects before the first event misses none.
                yield format_sse_event(id=str(found), comment="still here")
            elif isinstance(found, Missed):
                data = json.dumps({"first": found.first, "last": found.last})
                yield format_sse_event(id=str(found.last), event="missed", data_str=data)
            else:
                yield found.encoded(_encode)


def _encode(events: Sequence[Event]) -> bytes:
    return b"".join(
        format_sse_event(id=str(event.id), event=event.type, data_str=json.dumps(_data(event)))
        for event in events
    )


def _data(event: Event) -> dict[str, Any]:
    data: dict[str, Any] = {
        "notification_id": str(event.notification_id),
        "status": event.status,
        "at": moment(event.at).isoformat().replace("+00:00", "Z"),
    }
    if event.delivery_id is not None:
        data |= {"delivery_id": str(event.delivery_id), "channel": event.channel}
    return data
