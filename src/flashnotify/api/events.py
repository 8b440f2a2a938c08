"""`/v1/events`: what happens, as server-sent events."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import Row

from flashnotify.api.problems import problems
from flashnotify.api.requests import Authenticate
from flashnotify.domain import moment
from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.principal import READ, Caller
from flashnotify.telemetry.events import Events, Missed

LastEventId = Annotated[
    int | None,
    Header(ge=0, le=2**62, description="Go on after this event; without it, from now on."),
]


def events_router(events: Events, keys: ApiKeys, authenticate: Authenticate) -> APIRouter:
    """The endpoint `/v1/events`."""
    router = APIRouter(prefix="/v1/events", tags=["events"])

    async def reader(caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
        caller.require(READ)
        # Before the answer begins: after that there is no way to say it.
        events.require_room(caller.id)
        return caller

    @router.get(
        "",
        response_class=EventSourceResponse,
        summary="Follow what happens",
        description="Events `notification` and `delivery`, each with the new status. The latest "
        "100,000 are kept: whoever goes on after an older one is told by an event `missed` which "
        "are not.",
        responses=problems(401, 403, 422, 429, 503),
    )
    async def follow(
        caller: Annotated[Caller, Depends(reader)], last_event_id: LastEventId = None
    ) -> AsyncIterator[ServerSentEvent]:
        allowed = partial(keys.is_good, caller)
        async for event in events.follow(caller.id, last_event_id, allowed):
            if isinstance(event, int):
                # With a number: who loses the connection before the first event misses none.
                yield ServerSentEvent(id=str(event), comment="still here")
            elif isinstance(event, Missed):
                data = {"first": event.first, "last": event.last}
                yield ServerSentEvent(id=str(event.last), event="missed", data=data)
            else:
                yield ServerSentEvent(id=str(event.id), event=event.type, data=_data(event))

    return router


def _data(event: Row[Any]) -> dict[str, Any]:
    data = {
        "notification_id": str(event.notification_id),
        "status": event.status,
        "at": moment(event.at).isoformat().replace("+00:00", "Z"),
    }
    if event.delivery_id is not None:
        data |= {"delivery_id": str(event.delivery_id), "channel": event.channel}
    return data
