"""`/v1/api-keys`: create, list, rotate and revoke API keys."""

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator

from flashnotify.api.api_key_requests import ApiKeyIn, RotationIn, terms
from flashnotify.api.auth import Admin, actor_of
from flashnotify.api.bodies import body_of, read_model
from flashnotify.api.fields import Page, PriorityName, Time, read_from
from flashnotify.api.problems import problems
from flashnotify.archive import records
from flashnotify.clock import Clock
from flashnotify.identity.api_keys import ApiKeys, NewKey
from flashnotify.identity.key_terms import KeyState
from flashnotify.people.cost_centres import CostCentres
from flashnotify.time_slices import TimeSlices


def _sorted(names: Collection[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


class ApiKeyOut(BaseModel):
    """A key, without its secret. Null stands for no limit of its own."""

    id: str
    name: str
    scopes: Annotated[list[str], BeforeValidator(sorted)]
    state: KeyState
    max_priority: PriorityName
    channels: Annotated[list[str] | None, BeforeValidator(_sorted)]
    recipients_per_day: int | None
    rate_limit: str | None
    cost_centre: str | None
    owner: str | None
    created_at: Time
    expires_at: Time | None
    previous_expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None
    last_used_from: str | None


class NewApiKeyOut(BaseModel):
    """A new key, or a new secret of one. `key` is shown only this once."""

    id: str
    key: Annotated[str, read_from("token")]


def api_keys_router(
    keys: ApiKeys,
    centres: CostCentres,
    scopes: Collection[str],
    channels: Collection[str],
    clock: Clock,
    max_request_bytes: int,
    slices: TimeSlices,
) -> APIRouter:
    """Return the endpoints of `/v1/api-keys`. `scopes` and `channels` are all that exist."""
    router = APIRouter(prefix="/v1/api-keys", tags=["api keys"])

    @router.post(
        "",
        status_code=201,
        summary="Create an API key",
        description="The key is shown only in this answer: only an HMAC of it is stored.",
        response_model=NewApiKeyOut,
        openapi_extra={"requestBody": body_of(ApiKeyIn)},
    )
    async def create_api_key(request: Request, principal: Admin) -> NewKey:
        wanted = await read_model(request, ApiKeyIn, max_request_bytes, slices)
        allowed = terms(wanted, scopes, channels, clock.now())
        centre = await centres.id_of(wanted.cost_centre)
        allowed = replace(allowed, cost_centre=centre)
        return await keys.create(allowed, actor_of(request, principal))

    @router.get(
        "",
        summary="List API keys",
        description="All keys, without their secrets, also those that are expired or revoked.",
        response_model=Page[ApiKeyOut],
    )
    async def list_api_keys(_: Admin) -> records.Page[dict[str, Any]]:
        now, slugs = clock.now(), await centres.slugs()
        shown = [
            {field.name: getattr(key, field.name) for field in fields(key)}
            | {"state": KeyState.of(key, now), "cost_centre": slugs.get(key.cost_centre)}
            for key in await keys.all()
        ]
        return records.Page(shown, next=None)

    @router.post(
        "/{id}/rotate",
        summary="Give an API key a new secret",
        description="The new secret is shown only in this answer. The one before stays valid for "
        "a while, so that nothing fails before its holder has the new one; with an overlap of 0 it "
        "ends at once. All else stays the same, and open event streams end.",
        response_model=NewApiKeyOut,
        openapi_extra={"requestBody": body_of(RotationIn)},
        responses=problems(409),
    )
    async def rotate_api_key(id: str, request: Request, principal: Admin) -> NewKey:
        wanted = await read_model(request, RotationIn, max_request_bytes, slices)
        return await keys.rotate(id, wanted.end(clock.now()), actor_of(request, principal))

    @router.delete(
        "/{id}",
        status_code=204,
        summary="Revoke an API key",
        description="The key is refused from the next request on. Revoking it again changes "
        "nothing.",
    )
    async def revoke_api_key(id: str, request: Request, principal: Admin) -> None:
        await keys.revoke(id, actor_of(request, principal))

    return router
