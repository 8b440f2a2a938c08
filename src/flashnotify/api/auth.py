"""Authentication. A route declares the scope it needs in its signature.

`principal: Reader` authenticates the request, checks the scope, and documents both: the OpenAPI
document takes the scope and the errors from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import (
    APIKeyCookie,
    APIKeyHeader,
    HTTPBearer,
    OAuth2PasswordBearer,
    SecurityScopes,
)

from flashnotify.api.browser_sessions import SESSION, BrowserSessions
from flashnotify.api.client_address import client_address
from flashnotify.api.headers import header
from flashnotify.api.parameters import refuse_unknown_parameters
from flashnotify.domain import moment
from flashnotify.errors import FlashNotifyError, NotAuthenticated, NotPermitted, RateLimited
from flashnotify.identity.access_tokens import AccessTokens
from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.audit import Actor
from flashnotify.identity.principal import (
    ADMIN,
    DEVICES,
    LOCAL_ADMIN,
    PEOPLE,
    READ,
    Principal,
    Proof,
)
from flashnotify.identity.rate_limits import RateLimits
from flashnotify.identity.roles import user_id

# Stands for the scope of the kind that a request names. The code that reads the request checks it.
NOTIFY_KIND = "notify:{kind}"

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    bearerFormat="JWT",
    description="An API key, or an access token of `POST /v1/auth/token`.",
)
# Relative to the document, which a reverse proxy may serve under a path.
_TOKEN_URL = "v1/auth/token"  # noqa: S105  # a path
_oauth = OAuth2PasswordBearer(
    _TOKEN_URL,
    refreshUrl=_TOKEN_URL,
    auto_error=False,
    scheme_name="password",
    description="Sign in with a password. Without scopes, the token has all that one has.",
)
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="apiKey")
_cookie = APIKeyCookie(
    name=SESSION,
    auto_error=False,
    scheme_name="session",
    description="The session of a browser, for pages of this service. Behind https its name begins "
    "with `__Host-`.",
)


@dataclass(frozen=True, slots=True)
class Authentication:
    """Authenticates requests by API key, token or session, within each principal's rate limit."""

    keys: ApiKeys
    tokens: AccessTokens
    browsers: BrowserSessions
    limits: RateLimits

    async def authenticate(self, request: Request, token: str | None) -> Principal:
        """Return the principal of a request, and leave its rate limit headers for the response.

        Raises:
            NotAuthenticated: the request has no valid key, token or session.
            NotPermitted: another site uses the session.
            RateLimited: the principal has used up its rate limit.
        """
        state = request.scope["state"]
        if state.get("local"):
            return LOCAL_ADMIN
        principal = await self._proven(request, token)
        usage = self.limits.count(principal.id, principal.rate)
        state["headers"] = [
            # A cache that does not know X-API-Key would show the answer to anybody.
            (b"cache-control", b"no-store"),
            (b"x-ratelimit-limit", b"%d" % usage.limit),
            (b"x-ratelimit-remaining", b"%d" % usage.remaining),
            (b"x-ratelimit-reset", b"%d" % usage.reset),
        ]
        is_key = principal.proof is Proof.api_key
        if is_key and principal.expires_at is not None and self.keys.expires_soon(principal):
            expires = moment(principal.expires_at).isoformat().encode()
            state["headers"].append((b"x-api-key-expires-at", expires))
        if not usage.allowed:
            many = ", or send many notifications at once to POST /v1/notifications/batch"
            raise RateLimited(
                f"The rate limit of {principal.holder} is {principal.rate or self.limits.rate}. "
                f"Retry in {usage.reset} s{many if principal.sends else ''}.",
                retry_after=usage.reset,
            )
        return principal

    async def _proven(self, request: Request, token: str | None) -> Principal:
        """Return whom the key, token or session of a request proves."""
        if token and _is_jwt(request, token):
            return await self.tokens.authenticate(token)
        if token:
            proxies = request.app.state.proxies
            address = partial(client_address, request.scope, proxies)
            return await self.keys.authenticate(token, address)
        signed_in = await self.browsers.authenticate(request)
        if signed_in is None:
            raise NotAuthenticated(
                "Send an API key as `Authorization: Bearer fn_…` or `X-API-Key: fn_…`. "
                "Create one: flashnotify keys create. Or sign in: POST /v1/auth/token"
            )
        return signed_in.principal

    def is_valid(self, request: Request, principal: Principal) -> bool:
        """Return whether what authenticated a request, as `principal`, is still good."""
        if principal.proof is Proof.token:
            return self.tokens.is_valid(principal)
        signed_in = request.scope["state"].get("signed_in")
        if signed_in is not None:
            return self.browsers.sessions.is_valid(signed_in)
        return self.keys.is_valid(principal)


async def authorize(request: Request, scopes: Iterable[str]) -> Principal:
    """Return the principal of a request, who has all `scopes`.

    Raises:
        NotAuthenticated, RateLimited: as `Authentication.authenticate`.
        NotPermitted: a scope is missing.
        InvalidInput: the query has a parameter that the endpoint does not know.
    """
    given = request.scope
    authentication: Authentication = given["app"].state.authentication
    principal = await authentication.authenticate(request, _token(request))
    for scope in scopes:
        if scope == NOTIFY_KIND:
            principal.require_sending(given["path_params"].get("kind", "KIND"))
        # People manage their own devices: they need the scope only for those of others.
        elif scope != DEVICES or principal.role is None or not principal.allows(READ):
            principal.require(scope)
    # Only now: a caller without a key learns nothing else.
    await refuse_unknown_parameters(request)
    return principal


def actor_of(request: Request, principal: Principal) -> Actor:
    """Return who acts in a request, for the audit log."""
    return Actor(principal.id, address_of(request))


def own_id(principal: Principal) -> UUID:
    """Return the id of the user who asks. Raise `NotPermitted` if it is no person."""
    id = user_id(principal)
    if id is None:
        raise NotPermitted(
            "Only people have this. Sign in, or send a token of a user.", code="not_a_user"
        )
    return id


def address_of(request: Request) -> str | None:
    """Return the network address that a request came from; None on the local socket."""
    return client_address(request.scope, request.app.state.proxies)


def _token(request: Request) -> str | None:
    scheme, _, token = (header(request.scope, b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return header(request.scope, b"x-api-key")


def _is_jwt(request: Request, token: str) -> bool:
    return not token.startswith("fn_") and token != header(request.scope, b"x-api-key")


async def _principal(
    request: Request,
    scopes: SecurityScopes,
    # For the OpenAPI document.
    _bearer: Annotated[object, Security(_bearer)],
    _header: Annotated[object, Security(_header)],
    _oauth: Annotated[object, Security(_oauth)],
    _cookie: Annotated[object, Security(_cookie)],
) -> Principal:
    return await authorize(request, scopes.scopes)


async def may_read(request: Request) -> bool:
    """Return whether a request has a key that may read. Without one it is no error."""
    try:
        await authorize(request, (READ,))
    except FlashNotifyError:
        return False
    return True


AnyKey = Annotated[Principal, Security(_principal)]
Reader = Annotated[Principal, Security(_principal, scopes=[READ])]
Sender = Annotated[Principal, Security(_principal, scopes=[NOTIFY_KIND])]
DeviceManager = Annotated[Principal, Security(_principal, scopes=[DEVICES])]
PeopleManager = Annotated[Principal, Security(_principal, scopes=[PEOPLE])]
Admin = Annotated[Principal, Security(_principal, scopes=[ADMIN])]


async def _device_reader(principal: AnyKey) -> Principal:
    if not principal.allows(DEVICES):
        principal.require(READ)
    return principal


DeviceReader = Annotated[Principal, Depends(_device_reader)]
