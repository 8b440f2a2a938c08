"""`/v1/auth/token`, `/v1/auth/revoke`, `/v1/auth/me`: get and revoke tokens, and see who one is."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, BeforeValidator
from starlette.responses import Response

from flashnotify.api.auth import AnyKey
from flashnotify.api.client_address import client_address
from flashnotify.api.fields import PriorityName, Time
from flashnotify.api.parameters import refuse_unknown_parameters
from flashnotify.api.problems import problems
from flashnotify.api.token_requests import (
    GRANT_BODY,
    REVOCATION_BODY,
    ClientGrantIn,
    PasswordGrantIn,
    client_secret,
    read_grant,
    read_revocation,
)
from flashnotify.domain import Role
from flashnotify.errors import ClientRefused, GrantRefused, NotAuthenticated
from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.principal import Principal, Proof
from flashnotify.identity.roles import user_principal
from flashnotify.identity.sign_in import SignIn
from flashnotify.identity.token_grants import Issued, TokenGrants
from flashnotify.time_slices import TimeSlices

_NO_STORE = [(b"cache-control", b"no-store"), (b"pragma", b"no-cache")]


class TokensOut(BaseModel):
    """New tokens (RFC 6749, section 5.1). `expires_in` is the access token's, in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # its name
    expires_in: int
    refresh_token: str | None = None
    scope: str


class MeOut(BaseModel):
    """Who makes the request, how that was proved, and until when."""

    id: str
    name: str
    role: Role | None
    scopes: Annotated[list[str], BeforeValidator(sorted)]
    max_priority: PriorityName
    proof: Proof
    expires_at: Time | None


def tokens_router(
    grants: TokenGrants, keys: ApiKeys, sign_in: SignIn, slices: TimeSlices
) -> APIRouter:
    """Return the endpoints of tokens."""
    router = APIRouter(prefix="/v1/auth", tags=["tokens"])

    @router.post(
        "/token",
        summary="Get an access token",
        description="For a password, a refresh token or an API key. An access token is valid for "
        "15 minutes, a refresh token for 14 days, at most 30 after the sign-in, and for one use. "
        "Using one again revokes all tokens of its sign-in, except within 10 seconds, for a client "
        "whose answer was lost.",
        response_model=TokensOut,
        response_model_exclude_none=True,
        responses=problems(401, 429, 503),
        openapi_extra=GRANT_BODY,
        dependencies=[Depends(_uncached)],
    )
    async def get_token(request: Request) -> TokensOut:
        issued = await _issued(request)
        scope = " ".join(sorted(issued.scopes))
        access, refresh, seconds, _ = issued
        return TokensOut(
            access_token=access, refresh_token=refresh, expires_in=seconds, scope=scope
        )

    async def _issued(request: Request) -> Issued:
        grant = await read_grant(request, slices)
        address = client_address(request.scope, request.app.state.proxies)
        if isinstance(grant, PasswordGrantIn):
            try:
                user = await sign_in.with_password(grant.username, grant.password, address)
                return await grants.issue(
                    user_principal(user), address, "password", grant.wanted, user=user
                )
            except NotAuthenticated as error:
                raise GrantRefused(str(error)) from None
        if isinstance(grant, ClientGrantIn):
            key = await _client(request, grant, address)
            wanted = grant.wanted
            return await grants.issue(key, address, "client_credentials", wanted, refreshable=False)
        return await grants.refresh(grant.refresh_token, address, grant.wanted)

    async def _client(request: Request, grant: ClientGrantIn, address: str | None) -> Principal:
        id, secret = client_secret(request, grant)
        try:
            key = await keys.authenticate(secret, lambda: address)
        except NotAuthenticated as error:
            await grants.refuse(address, error)
            raise ClientRefused(str(error)) from None
        if id not in (None, key.id):
            raise ClientRefused("The client_id is not the id of this API key: leave it out.")
        return key

    @router.post(
        "/revoke",
        response_class=Response,
        summary="Revoke a token",
        description="Ends all tokens of its sign-in at once, whether it is an access or a refresh "
        "token. A token that is not valid is no error (RFC 7009). API keys are revoked by "
        "`DELETE /v1/api-keys/{id}`.",
        responses=problems(503),
        openapi_extra=REVOCATION_BODY,
        dependencies=[Depends(_uncached)],
    )
    async def revoke_token(request: Request) -> Response:
        wanted = await read_revocation(request, slices)
        if wanted.token.startswith("fn_"):
            raise GrantRefused(
                "This is an API key. Revoke it with `DELETE /v1/api-keys/{id}`, or: flashnotify "
                "keys revoke",
                code="unsupported_token_type",
            )
        address = client_address(request.scope, request.app.state.proxies)
        await grants.revoke(wanted.token, address)
        return Response()

    @router.get(
        "/me",
        summary="See who you are",
        description="The id, scopes and role of whoever makes the request, and how it was proved.",
    )
    async def get_me(principal: AnyKey) -> MeOut:
        return MeOut.model_validate(principal, from_attributes=True)

    return router


async def _uncached(request: Request) -> None:
    """Forbid to store the answer, whatever it is (RFC 6749, section 5.1)."""
    request.scope["state"]["headers"] = _NO_STORE
    await refuse_unknown_parameters(request)
