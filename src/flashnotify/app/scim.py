"""The SCIM endpoints of a service, loaded with the first request to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.types import ASGIApp

from flashnotify.api.auth import actor_of, authenticate
from flashnotify.api.bodies import media_type, read_body
from flashnotify.errors import MalformedDocument, UnsupportedMediaType
from flashnotify.facades.scim.loading import LoadedOnDemand
from flashnotify.identity.audit import Actor
from flashnotify.identity.principal import ADMIN, PEOPLE
from flashnotify.intake.json_documents import parse

if TYPE_CHECKING:
    from flashnotify.app.service import Service

PATH = "/scim/v2"
_MEDIA_TYPES = ("application/scim+json", "application/json", "")
# How deep a document may be: none of SCIM's is deeper than ten.
_MAX_DEPTH = 20


def scim_router(service: Service) -> APIRouter:
    """Return the router at which the SCIM endpoints of a service are mounted."""
    config, slices, identity = service.config, service.slices, service.identity
    max_bytes = config.max_request_bytes

    async def authorized(request: Request) -> tuple[Actor, bool]:
        principal = await authenticate(request, (PEOPLE,))
        return actor_of(request, principal), principal.allows(ADMIN)

    async def read(request: Request) -> Mapping[str, Any]:
        if media_type(request) not in _MEDIA_TYPES:
            raise UnsupportedMediaType("Send JSON as application/scim+json.")
        document = await parse(bytes(await read_body(request, max_bytes)), slices)
        _refuse_deep(document)
        return document

    base = config.public_url.rstrip("/") + PATH

    def make(scim_app: Callable[..., ASGIApp], http: Callable[..., Any]) -> ASGIApp:
        return scim_app(
            http(authorized, read, base, max_bytes),
            *(service.archive.provisioning, identity.users, service.people.groups),
            *(service.clock, slices, service.threads),
        )

    router = APIRouter()
    router.mount(PATH, LoadedOnDemand(make, service.threads))
    return router


def _refuse_deep(document: Any) -> None:
    """Refuse a document that is very deep, before a function calls itself for each level of it."""
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise MalformedDocument("The document is nested too deep.")
        inner = [each for each in level if isinstance(each, dict | list)]
        level = [v for each in inner for v in (each.values() if isinstance(each, dict) else each)]
