"""`/v1/api-keys`: create, list and revoke API keys."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from flashnotify.api.auth import Admin
from flashnotify.api.bodies import body_of, read_json, validated
from flashnotify.api.fields import Page, PriorityName, Time, Timestamp, read_from
from flashnotify.archive import records
from flashnotify.clock import Clock
from flashnotify.domain import Priority
from flashnotify.errors import FieldError, InvalidInput
from flashnotify.identity.api_keys import ApiKeys, NewKey
from flashnotify.intake.json_documents import parse
from flashnotify.meta.suggestions import nearest
from flashnotify.time_slices import TimeSlices


class ApiKeyIn(BaseModel):
    """A new key and what it may do."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["registrar"]),
    ]
    scopes: Annotated[
        list[str], Field(min_length=1, max_length=50, examples=[["notify:academic", "read"]])
    ]
    max_priority: Literal["low", "medium", "high", "critical"] = "high"
    expires_at: Timestamp | None = None


class ApiKeyOut(BaseModel):
    """A key, without its secret."""

    id: str
    name: str
    scopes: Annotated[list[str], BeforeValidator(sorted)]
    max_priority: PriorityName
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None


class NewApiKeyOut(BaseModel):
    """A new key. `key` is shown only this once."""

    id: str
    key: Annotated[str, read_from("token")]


def api_keys_router(
    keys: ApiKeys,
    scopes: tuple[str, ...],
    clock: Clock,
    max_request_bytes: int,
    slices: TimeSlices,
) -> APIRouter:
    """Return the endpoints of `/v1/api-keys`. `scopes` are all that exist."""
    router = APIRouter(prefix="/v1/api-keys", tags=["api keys"])

    @router.post(
        "",
        status_code=201,
        summary="Create an API key",
        description="The key is shown only in this answer: only an HMAC of it is stored.",
        response_model=NewApiKeyOut,
        openapi_extra={"requestBody": body_of(ApiKeyIn)},
    )
    async def create_api_key(request: Request, _: Admin) -> NewKey:
        document = await parse(await read_json(request, max_request_bytes), slices)
        wanted = validated(ApiKeyIn, document, request.app.state.zone)
        errors = [
            FieldError(f"/scopes/{index}", "unknown_scope", _unknown(scope, scopes))
            for index, scope in enumerate(wanted.scopes)
            if scope not in scopes
        ]
        if wanted.expires_at is not None and wanted.expires_at <= clock.now():
            errors.append(FieldError("/expires_at", "in_the_past", "must not be in the past"))
        if errors:
            raise InvalidInput(errors)
        highest = Priority[wanted.max_priority]
        return await keys.create(
            wanted.name, wanted.scopes, max_priority=highest, expires_at=wanted.expires_at
        )

    @router.get(
        "",
        summary="List API keys",
        description="All keys, without their secrets, also those that are expired or revoked.",
        response_model=Page[ApiKeyOut],
    )
    async def list_api_keys(_: Admin) -> records.Page[records.ApiKey]:
        return records.Page(await keys.all(), next=None)

    @router.delete(
        "/{id}",
        status_code=204,
        summary="Revoke an API key",
        description="The key is refused from the next request on. Revoking it again changes "
        "nothing.",
    )
    async def revoke_api_key(id: str, _: Admin) -> None:
        await keys.revoke(id)

    return router


def _unknown(scope: str, scopes: tuple[str, ...]) -> str:
    """Return the text for an unknown scope, with the one that was probably meant."""
    short = {known.removeprefix("notify:"): known for known in scopes}
    meant = nearest(scope.removeprefix("notify:"), short)
    hint = f"; did you mean {short[meant]}?" if meant else ""
    return f"unknown scope; expected one of {', '.join(scopes)}{hint}"
