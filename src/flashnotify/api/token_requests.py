"""Requests to the token endpoint, as forms (RFC 6749) or JSON."""

import base64
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl, unquote_plus

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from flashnotify.api.bodies import JSON, body_of, body_of_one, media_type, read_document, validated
from flashnotify.api.headers import header
from flashnotify.errors import (
    ClientRefused,
    FieldError,
    GrantRefused,
    InvalidInput,
    InvalidTokenRequest,
    UnsupportedMediaType,
)
from flashnotify.intake.json_documents import parse
from flashnotify.time_slices import TimeSlices

_FORM = "application/x-www-form-urlencoded"
_MAX_BYTES = 32 * 1024
_MAX_FIELDS = 20

M = TypeVar("M", bound=BaseModel)

_Scope = Annotated[
    str | None,
    Field(
        max_length=4096,
        pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$",
        description="Scopes, separated by spaces: fewer than one has. Default: all.",
        examples=["read notify:academic"],
    ),
]
_Token = Annotated[str, Field(min_length=1, max_length=8192)]
_ClientId = Annotated[str | None, Field(max_length=200)]


class _Grant(BaseModel):
    model_config = ConfigDict(extra="forbid")

    scope: _Scope = None
    client_id: _ClientId = None

    @property
    def wanted(self) -> frozenset[str] | None:
        """The scopes that the token shall have; None for all."""
        return None if self.scope is None else frozenset(self.scope.split())


class PasswordGrantIn(_Grant):
    """Sign in with an email address, or the campus's id, and a password."""

    grant_type: Literal["password"]
    username: Annotated[str, Field(min_length=1, max_length=320, examples=["ada@univ.example"])]
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class RefreshGrantIn(_Grant):
    """Get new tokens for a refresh token, which can be used once."""

    grant_type: Literal["refresh_token"]
    refresh_token: _Token


class ClientGrantIn(_Grant):
    """Get a token for an API key, which may also be the password of HTTP Basic, or a bearer token.

    `client_id` is the id of the key, if it is given.
    """

    grant_type: Literal["client_credentials"]
    client_secret: Annotated[str | None, Field(max_length=200)] = None


class RevocationIn(BaseModel):
    """An access or refresh token to revoke (RFC 7009, section 2.1)."""

    model_config = ConfigDict(extra="forbid")

    token: _Token
    token_type_hint: Annotated[
        str | None, Field(max_length=50, description="Accepted and ignored.")
    ] = None
    client_id: _ClientId = None


GrantIn = PasswordGrantIn | RefreshGrantIn | ClientGrantIn
GRANTS: Mapping[str, type[GrantIn]] = {
    "password": PasswordGrantIn,
    "refresh_token": RefreshGrantIn,
    "client_credentials": ClientGrantIn,
}


def _or_form(body: dict[str, Any]) -> dict[str, Any]:
    (json,) = body["content"].values()
    return {"requestBody": {**body, "content": {**body["content"], _FORM: json}}}


# The bodies of the endpoints, for the OpenAPI document.
GRANT_BODY = _or_form(body_of_one(GRANTS, "grant_type"))
REVOCATION_BODY = _or_form(body_of(RevocationIn))


async def read_grant(request: Request, slices: TimeSlices) -> GrantIn:
    """Return a request for tokens.

    Raises:
        InvalidTokenRequest: a parameter is missing, unknown, malformed or there twice.
        GrantRefused: the kind of grant is unknown.
    """
    fields = await _fields(request, slices)
    wanted = fields.get("grant_type")
    if wanted is None:
        raise _invalid("grant_type", "missing", f"is required; one of {', '.join(GRANTS)}")
    model = GRANTS.get(wanted) if isinstance(wanted, str) else None
    if model is None:
        raise GrantRefused(
            f"Unknown grant_type; expected one of {', '.join(GRANTS)}.",
            code="unsupported_grant_type",
        )
    return _validated(model, fields)


async def read_revocation(request: Request, slices: TimeSlices) -> RevocationIn:
    """Return a request to revoke a token. Raise `InvalidTokenRequest` as `read_grant`."""
    return _validated(RevocationIn, await _fields(request, slices))


def client_secret(request: Request, grant: ClientGrantIn) -> tuple[str | None, str]:
    """Return the id, if there is one, and the secret of a client (RFC 6749, section 2.3.1).

    Raises:
        InvalidTokenRequest: they are given in two ways.
        ClientRefused: there is no secret.
    """
    scheme, _, credentials = (header(request.scope, b"authorization") or "").partition(" ")
    if scheme and grant.client_secret is not None:
        raise _invalid("client_secret", "conflict", "must not be given beside Authorization")
    if grant.client_secret is not None:
        return grant.client_id, grant.client_secret
    if scheme.lower() == "bearer":
        return grant.client_id, credentials.strip()
    if scheme.lower() == "basic":
        id, secret = _basic(credentials.strip())
        return id or grant.client_id, secret
    raise ClientRefused(
        "Send an API key as client_secret, as the password of HTTP Basic, or as "
        "`Authorization: Bearer fn_…`."
    )


def _basic(credentials: str) -> tuple[str, str]:
    try:
        id, colon, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        colon = id = secret = ""
    if not colon:
        raise ClientRefused("These are not credentials of HTTP Basic.")
    return unquote_plus(id), unquote_plus(secret)


async def _fields(request: Request, slices: TimeSlices) -> Mapping[str, Any]:
    """Return the parameters of a form or of JSON. Those without a value count as left out."""
    given = media_type(request)
    if given not in (_FORM, *JSON):
        raise UnsupportedMediaType(f"Send a form ({_FORM}; with curl: -d) or JSON.")
    document = await read_document(request, _MAX_BYTES)
    if given != _FORM:
        return await parse(document, slices)
    try:
        pairs = parse_qsl(document.decode(), max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise _invalid("", "invalid", f"must be a form of at most {_MAX_FIELDS} fields") from None
    fields = dict(pairs)
    names = [name for name, _ in pairs]
    for name in fields:
        if names.count(name) > 1:
            raise _invalid(name, "duplicate", "must be there once")
    return fields


def _validated(model: type[M], fields: Mapping[str, Any]) -> M:
    try:
        return validated(model, fields)
    except InvalidInput as error:
        raise InvalidTokenRequest(error.errors) from None


def _invalid(name: str, code: str, detail: str) -> InvalidTokenRequest:
    path = (name,) if name else ()
    return InvalidTokenRequest([FieldError.at(path, code, detail)])
