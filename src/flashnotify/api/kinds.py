"""`/v1/kinds` and `/v1/channels`: what can be sent, and how."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator

from flashnotify.api.auth import AnyKey, Reader
from flashnotify.api.fields import Page, PriorityName, Time, read_from
from flashnotify.archive import records
from flashnotify.delivery.breaker import BreakerState
from flashnotify.delivery.transports import OpenChannel
from flashnotify.meta.specs import NotifierSpec


class KindOut(BaseModel):
    """A kind of notification. `request` is the JSON Schema of a request for it."""

    kind: str
    summary: str
    priority: PriorityName
    channels: list[str]
    addresses: list[str]
    scope: str
    request: dict[str, Any]


class TransportState(BaseModel):
    """Whether a transport works.

    While it is `failing`, nothing is sent over it until `next_probe_at` (null while one may go).
    """

    state: Annotated[Literal["ok", "failing"], read_from("health", "status")]
    failing_since: Annotated[Time | None, read_from("health", "failing_since")]
    next_probe_at: Annotated[Time | None, read_from("health", "next_probe_at")]
    last_error: Annotated[str | None, read_from("health", "error")]


class TransportOut(TransportState):
    """A transport and its state. `problem` is what has to be fixed in the settings."""

    name: str
    serves: Annotated[str | None, read_from("only")]
    breaker: Annotated[BreakerState, read_from("health", "state")]
    problem: Annotated[str | None, read_from("health", "misconfigured")]
    connections: Annotated[int, read_from("transport", "connections", "total")]


class ChannelOut(BaseModel):
    """A channel with its transports, in the order in which they are tried."""

    channel: Annotated[str, read_from("spec", "name")]
    address: Annotated[
        str, read_from("spec", "scheme"), BeforeValidator(lambda scheme: f"{scheme}:")
    ]
    transports: list[TransportOut]


@cache
def _schema(request: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a request, which is as final as its declaration."""
    return request.model_json_schema()


def kinds_router(kinds: Iterable[NotifierSpec], channels: Mapping[str, OpenChannel]) -> APIRouter:
    """Return the endpoints `/v1/kinds` and `/v1/channels`."""
    router = APIRouter(prefix="/v1", tags=["kinds and channels"])
    # Made once: the declarations are final.
    items = [
        KindOut(
            kind=kind.kind,
            summary=kind.summary,
            priority=kind.priority.name,
            channels=list(kind.channels),
            addresses=sorted(f"{scheme}:" for scheme in kind.schemes),
            scope=kind.scope,
            request=_schema(kind.request),
        )
        for kind in kinds
    ]

    @router.get(
        "/kinds",
        summary="List kinds",
        description="Each kind with its default priority, its channels, the scope that sends it, "
        "and the JSON Schema of a request.",
    )
    async def list_kinds(_: AnyKey) -> Page[KindOut]:
        return Page[KindOut](items=items, next=None)

    @router.get(
        "/channels",
        summary="List channels and transports",
        description="Transports in the order in which they are tried, each with the state of its "
        "circuit breaker and what has to be fixed in the settings.",
        response_model=Page[ChannelOut],
    )
    async def list_channels(_: Reader) -> records.Page[OpenChannel]:
        return records.Page(list(channels.values()), next=None)

    return router
