"""`/v1/events`: changes of notifications and deliveries, as server-sent events."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from flashnotify.api.auth import Reader
from flashnotify.archive.records import Event
from flashnotify.domain import moment
from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.principal import Principal
from flashnotify.telemetry.events import Events, Missed

LastEventId = Annotated[
    int | None,
    Header(ge=0, le=2**62, description="Resume after this event. Default: new events only."),
]


def events_router(events: Events, keys: ApiKeys) -> APIRouter:
    """Return the endpoint `/v1/events`."""
    router = APIRouter(prefix="/v1/events", tags=["events"])

    async def follower(principal: Reader) -> Principal:
        # Before the response starts: an error could not be reported after that.
        events.require_room(principal.id)
        return principal

    @router.get(
        "",
        response_class=EventSourceResponse,
        summary="Stream events",
        description="The events `notification` and `delivery` carry the new status. The latest "
        "100,000 events are kept; a client that resumes after an older one first receives an event "
        "`missed` with the range that is no longer there.",
    )
    async def follow(
        principal: Annotated[Principal, Depends(follower)], last_event_id: LastEventId = None
    ) -> AsyncIterator[ServerSentEvent]:
        allowed = partial(keys.is_valid, principal)
        async for event in events.follow(principal.id, last_event_id, allowed):
            if isinstance(event, int):
                # With an id, so that a client that reconnects before the first event misses none.
                yield ServerSentEvent(id=str(event), comment="still here")
            elif isinstance(event, Missed):
                data = {"first": event.first, "last": event.last}
                yield ServerSentEvent(id=str(event.last), event="missed", data=data)
            else:
                yield ServerSentEvent(id=str(event.id), event=event.type, data=_data(event))

    return router


def _data(event: Event) -> dict[str, Any]:
    data: dict[str, Any] = {
        "notification_id": str(event.notification_id),
        "status": event.status,
        "at": moment(event.at).isoformat().replace("+00:00", "Z"),
    }
    if event.delivery_id is not None:
        data |= {"delivery_id": str(event.delivery_id), "channel": event.channel}
    return data
