"""`/v1/channels`: the channels, their transports and the breakers of these."""

from collections.abc import Mapping

from fastapi import APIRouter
from pydantic import BaseModel

from flashnotify.api.auth import requires
from flashnotify.api.fields import Page
from flashnotify.delivery.breaker import BreakerState
from flashnotify.delivery.transports import OpenChannel
from flashnotify.identity.principal import READ


class TransportOut(BaseModel):
    """A transport and its state. `problem` is what has to be fixed in the settings."""

    name: str
    serves: str | None
    breaker: BreakerState
    problem: str | None
    connections: int


class ChannelOut(BaseModel):
    """A channel with its transports, in the order in which they are tried."""

    channel: str
    address: str
    transports: list[TransportOut]


def channels_router(channels: Mapping[str, OpenChannel]) -> APIRouter:
    """Return the endpoint `/v1/channels`."""
    router = APIRouter(
        prefix="/v1/channels", tags=["kinds and channels"], dependencies=[requires(READ)]
    )

    @router.get("", summary="List channels and transports")
    async def index_channels() -> Page[ChannelOut]:
        return Page[ChannelOut](items=list(map(_channel, channels.values())), next=None)

    return router


def _channel(channel: OpenChannel) -> ChannelOut:
    transports = [
        TransportOut(
            name=transport.name,
            serves=transport.only,
            breaker=transport.health.state,
            problem=transport.health.misconfigured,
            connections=transport.transport.connections.total,
        )
        for transport in channel.transports
    ]
    return ChannelOut(
        channel=channel.spec.name, address=f"{channel.spec.scheme}:", transports=transports
    )
