"""`/v1/api-keys`: make, list and revoke the keys of senders."""

import json
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from flashnotify.api.problems import problems
from flashnotify.api.requests import Authenticate, Moment, body_of, read_model
from flashnotify.clock import Clock
from flashnotify.domain import Priority, milliseconds, moment
from flashnotify.errors import FieldError, InvalidInput
from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.principal import ADMIN, Caller


class ApiKeyIn(BaseModel):
    """What a new key may do."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
    scopes: Annotated[list[str], Field(min_length=1, max_length=50)]
    max_priority: Literal["low", "medium", "high", "critical"] = "high"
    expires_at: Moment | None = None


class ApiKeyOut(BaseModel):
    """A key, without its secret."""

    id: str
    name: str
    scopes: list[str]
    max_priority: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewApiKeyOut(BaseModel):
    """A new key: the only time that `key` is shown."""

    id: str
    key: str


class ApiKeyList(BaseModel):
    """All keys, oldest first."""

    items: list[ApiKeyOut]
    next: None = None


def api_keys_router(
    keys: ApiKeys,
    scopes: tuple[str, ...],
    clock: Clock,
    authenticate: Authenticate,
    max_request_bytes: int,
) -> APIRouter:
    """The endpoints under `/v1/api-keys`. `scopes` are all that a key can have."""
    router = APIRouter(prefix="/v1/api-keys", tags=["api keys"])

    @router.post(
        "",
        status_code=201,
        summary="Make an API key",
        responses=problems(400, 401, 403, 408, 413, 415, 422, 429, 503),
        openapi_extra=body_of(ApiKeyIn),
    )
    async def create(
        request: Request, caller: Annotated[Caller, Depends(authenticate)]
    ) -> NewApiKeyOut:
        caller.require(ADMIN)
        wanted = await read_model(request, ApiKeyIn, max_request_bytes)
        expires_at = _check(wanted)
        key = await keys.create(
            wanted.name,
            wanted.scopes,
            max_priority=Priority[wanted.max_priority],
            expires_at=expires_at,
        )
        return NewApiKeyOut(id=key.id, key=key.token)

    @router.get("", summary="List API keys", responses=problems(401, 403, 422, 429, 503))
    async def index(caller: Annotated[Caller, Depends(authenticate)]) -> ApiKeyList:
        caller.require(ADMIN)
        items = [
            ApiKeyOut(
                id=row.id,
                name=row.name,
                scopes=json.loads(row.scopes),
                max_priority=Priority(row.max_priority).name,
                created_at=moment(row.created_at),
                expires_at=_moment(row.expires_at),
                revoked_at=_moment(row.revoked_at),
                last_used_at=_moment(row.last_used_at),
            )
            for row in await keys.all()
        ]
        return ApiKeyList(items=items)

    @router.delete(
        "/{id}",
        status_code=204,
        summary="Revoke an API key",
        responses=problems(401, 403, 404, 422, 429, 503),
    )
    async def revoke(id: str, caller: Annotated[Caller, Depends(authenticate)]) -> None:
        caller.require(ADMIN)
        await keys.revoke(id)

    def _check(wanted: ApiKeyIn) -> int | None:
        errors = [
            FieldError(f"/scopes/{index}", f"is no scope; the scopes are {', '.join(scopes)}")
            for index, scope in enumerate(wanted.scopes)
            if scope not in scopes
        ]
        expires_at = None
        if wanted.expires_at is not None:
            expires_at = milliseconds(wanted.expires_at)
            if expires_at <= clock.now():
                errors.append(FieldError("/expires_at", "is in the past"))
        if errors:
            raise InvalidInput(errors)
        return expires_at

    return router


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else moment(ms)
