"""JSON Web Tokens that this service signs for itself (RFC 7519). Only this file uses python-jose.

python-jose verifies signatures. All else about a token is checked here, since it would take some
that are malformed, or meant for another purpose.
"""

import base64
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from flashnotify.clock import Clock
from flashnotify.errors import NotAuthenticated

_ALGORITHM = "HS256"
_AUDIENCE = "flashnotify"
# Characters of a token: a hundred scopes fit.
_MAX_LENGTH = 8192
# A header of more is none of ours. The signature has 32 bytes (RFC 7515, section 3.1).
_COMPACT = re.compile(r"([A-Za-z0-9_-]{1,256})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")
# Seconds by which the clock may have been set back since a token was issued.
_LEEWAY = 5


class TokenType(StrEnum):
    """The purposes of tokens, as their `typ` (RFC 8725, section 3.11)."""

    access = "at+jwt"  # RFC 9068, section 2.1
    refresh = "rt+jwt"


# Seconds for which a token is valid, at most.
LIFETIMES: Mapping[TokenType, int] = {
    TokenType.access: 15 * 60,
    TokenType.refresh: 14 * 24 * 3600,
}


class Claims(BaseModel):
    """What a token says: `sub` may do what `scope` lists, from `iat` to `exp` (s since the epoch).

    `sid` is the token's family, and `gen` the generation of a refresh token within it. `secret` is
    the fingerprint of the secret of an API key that it was issued for.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    iss: str
    aud: str
    sub: Annotated[str, Field(pattern=r"^(user|key):[0-9a-z-]{1,36}$")]
    jti: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    iat: int
    exp: int
    nbf: int = 0
    sid: Annotated[UUID, Field(strict=False)]
    scope: Annotated[str, Field(pattern=r"^([\x21-\x7e]+( [\x21-\x7e]+)*)?$")] | None = None
    gen: int = 0
    secret: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None


class Tokens:
    """Signs and verifies tokens of `issuer`, a URL.

    Each of the `secrets` has a key of its own: the first one signs, and all verify.
    """

    def __init__(self, secrets: Sequence[bytes], issuer: str, clock: Clock) -> None:
        self._secrets = secrets
        self._issuer = issuer
        self._clock = clock
        self._keys: Mapping[str, Any] = {}
        self._jws: Any = None

    @property
    def loaded(self) -> bool:
        """Whether tokens can be signed and verified at once."""
        return bool(self._keys)

    def load(self) -> None:
        """Import python-jose. That takes 30 ms: for the first token only, and in a thread."""
        from jose import jwk, jws  # noqa: PLC0415

        keys = [hmac.digest(secret, b"flashnotify tokens", "sha256") for secret in self._secrets]
        self._jws = jws
        self._keys = {_key_id(key): jwk.construct(key, _ALGORITHM) for key in keys}

    def sign(self, type: TokenType, **claims: Any) -> str:
        """Return a token that is valid from now on. `claims` are those beside `iss` and `aud`."""
        said = Claims(iss=self._issuer, aud=_AUDIENCE, **claims)
        kid, key = next(iter(self._keys.items()))
        payload = said.model_dump_json(exclude_defaults=True).encode()
        token: str = self._jws.sign(payload, key, {"typ": type.value, "kid": kid}, _ALGORITHM)
        return token

    def verify(self, token: str, type: TokenType) -> Claims:
        """Return what a token says.

        Raises:
            NotAuthenticated: it is not a token of this service and `type`, or has expired.
        """
        try:
            claims = self._claims(token, type)
        # A value that is nested too deeply, as no token of ours is, raises a RecursionError.
        except (ValueError, RecursionError):
            raise invalid_token() from None
        now = self._clock.now() / 1000
        issued_before = now + _LEEWAY
        if claims.iat > issued_before or claims.nbf > issued_before:
            raise invalid_token()
        if claims.exp <= now:
            raise expired_token()
        return claims

    def _claims(self, token: str, type: TokenType) -> Claims:
        """Return the claims of a token that was signed here, or raise a ValueError."""
        parts = _COMPACT.fullmatch(token) if len(token) <= _MAX_LENGTH else None
        if parts is None:
            raise ValueError("not a signed token in its compact form")
        header, payload, _ = map(_decoded, parts.groups())
        given = _parsed(header)
        # Whatever else there is, such as `crit`, `jwk` or `zip`, is refused.
        expected = ({"alg": _ALGORITHM, "typ": type.value, "kid": kid} for kid in self._keys)
        key = next((self._keys[known["kid"]] for known in expected if known == given), None)
        if key is None:
            raise ValueError("not a header of this service")
        try:
            self._jws.verify(token, key, [_ALGORITHM])
        except self._jws.JWSError:
            raise ValueError("the signature does not match") from None
        claims = Claims.model_validate(_parsed(payload))
        _require(claims.iss == self._issuer and claims.aud == _AUDIENCE)
        _require(0 < claims.exp - claims.iat <= LIFETIMES[type])
        return claims


def invalid_token() -> NotAuthenticated:
    """Return the error for a token that is not, or no longer, valid."""
    return NotAuthenticated(
        "This token is not valid, or no longer. Sign in again: POST /v1/auth/token. (An API key "
        "begins with fn_.)",
        code="invalid_token",
    )


def expired_token() -> NotAuthenticated:
    """Return the error for a token that was valid."""
    return NotAuthenticated(
        "This token has expired. Get a new one with its refresh token, or sign in again: "
        "POST /v1/auth/token.",
        code="expired_token",
    )


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("not a token of this service")


def _key_id(key: bytes) -> str:
    return hmac.digest(key, b"key id", "sha256").hex()[:16]


def _decoded(part: str) -> bytes:
    """Return what base64url stands for, in the one form that stands for it (RFC 4648, 3.5)."""
    decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    _require(base64.urlsafe_b64encode(decoded).decode().rstrip("=") == part)
    return decoded


def _parsed(document: bytes) -> Any:
    """Return parsed JSON, or raise a ValueError, also for a member that is there twice."""
    return json.loads(document.decode(), object_pairs_hook=_object)


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    _require(len(found) == len(members))
    return found
