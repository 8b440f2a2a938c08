"""`/v1/kinds`: the kinds of notification, with the JSON Schema of their requests."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from flashnotify.api.auth import AnyKey
from flashnotify.api.fields import Page, PriorityName
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


def kinds_router(kinds: Iterable[NotifierSpec]) -> APIRouter:
    """Return the endpoint `/v1/kinds`."""
    router = APIRouter(prefix="/v1/kinds", tags=["kinds and channels"])
    # Made once: a schema takes milliseconds, and the declarations are final.
    page = Page[KindOut](items=[_kind(kind) for kind in kinds], next=None)

    @router.get("", summary="List kinds")
    async def index_kinds(_: AnyKey) -> Page[KindOut]:
        return page

    return router


def _kind(kind: NotifierSpec) -> KindOut:
    return KindOut(
        kind=kind.kind,
        summary=kind.summary,
        priority=kind.priority.name,
        channels=list(kind.channels),
        addresses=sorted(f"{scheme}:" for scheme in kind.schemes),
        scope=kind.scope,
        request=kind.request.model_json_schema(),
    )
