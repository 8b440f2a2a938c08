"""`/v1/channels`: the channels, their transports and the breakers of these."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator

from flashnotify.api.auth import Reader
from flashnotify.api.fields import Page, read_from
from flashnotify.archive import records
from flashnotify.delivery.breaker import BreakerState
from flashnotify.delivery.transports import OpenChannel


class TransportOut(BaseModel):
    """A transport and its state. `problem` is what has to be fixed in the settings."""

    name: str
    serves: Annotated[str | None, read_from("only")]
    breaker: Annotated[BreakerState, read_from("health", "state")]
    problem: Annotated[str | None, read_from("health", "misconfigured")]
    connections: Annotated[int, read_from("transport", "connections", "total")]


class ChannelOut(BaseModel):
    """A channel with its transports, in the order in which they are tried."""

    channel: Annotated[str, read_from("spec", "name")]
    address: Annotated[str, read_from("spec", "scheme"), BeforeValidator("{}:".format)]
    transports: list[TransportOut]


def channels_router(channels: Mapping[str, OpenChannel]) -> APIRouter:
    """Return the endpoint `/v1/channels`."""
    router = APIRouter(prefix="/v1/channels", tags=["kinds and channels"])

    @router.get("", summary="List channels and transports", response_model=Page[ChannelOut])
    async def index_channels(_: Reader) -> records.Page[OpenChannel]:
        return records.Page(list(channels.values()), next=None)

    return router
