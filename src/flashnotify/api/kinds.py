"""`/v1/kinds` and `/v1/channels`: what can be sent, and over what."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from flashnotify.api.problems import problems
from flashnotify.api.requests import Authenticate
from flashnotify.delivery.breaker import BreakerState
from flashnotify.delivery.transports import OpenChannel
from flashnotify.identity.principal import READ, Caller
from flashnotify.meta.specs import NotifierSpec


class KindOut(BaseModel):
    """A kind of notification. `request` is the JSON Schema of a request for it."""

    kind: str
    summary: str
    priority: str
    channels: list[str]
    addresses: list[str]
    scope: str
    request: dict[str, Any]


class KindList(BaseModel):
    """All kinds."""

    items: list[KindOut]
    next: None = None


class TransportOut(BaseModel):
    """A transport, and how it does. `problem`: what a person has to mend in the settings."""

    name: str
    serves: str | None
    breaker: BreakerState
    problem: str | None
    connections: int


class ChannelOut(BaseModel):
    """A channel with its transports, in the order they are tried."""

    channel: str
    address: str
    transports: list[TransportOut]


class ChannelList(BaseModel):
    """All channels."""

    items: list[ChannelOut]
    next: None = None


def kinds_router(
    kinds: Iterable[NotifierSpec], channels: Mapping[str, OpenChannel], authenticate: Authenticate
) -> APIRouter:
    """The endpoints `/v1/kinds` and `/v1/channels`."""
    router = APIRouter(prefix="/v1", tags=["kinds and channels"])

    # Once: a schema takes milliseconds, and what is declared does not change any more.
    declared = KindList(
        items=[
            KindOut(
                kind=kind.kind,
                summary=kind.summary,
                priority=kind.priority.name,
                channels=list(kind.channels),
                addresses=sorted(f"{scheme}:" for scheme in kind.schemes),
                scope=kind.scope,
                request=kind.request.model_json_schema(),
            )
            for kind in kinds
        ]
    )

    @router.get("/kinds", summary="What can be sent", responses=problems(401, 422, 429, 503))
    async def index_kinds(_caller: Annotated[Caller, Depends(authenticate)]) -> KindList:
        return declared

    @router.get(
        "/channels", summary="Over what it is sent", responses=problems(401, 403, 422, 429, 503)
    )
    async def index_channels(caller: Annotated[Caller, Depends(authenticate)]) -> ChannelList:
        caller.require(READ)
        return ChannelList(
            items=[
                ChannelOut(
                    channel=channel.spec.name,
                    address=f"{channel.spec.scheme}:",
                    transports=[
                        TransportOut(
                            name=outlet.name,
                            serves=outlet.only,
                            breaker=outlet.best.state,
                            problem=outlet.best.misconfigured,
                            connections=outlet.transport.connections.total,
                        )
                        for outlet in channel.outlets
                    ],
                )
                for channel in channels.values()
            ]
        )

    return router
