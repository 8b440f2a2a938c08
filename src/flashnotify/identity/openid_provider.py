"""The campus's OpenID Connect provider: where people sign in, and who it says that they are."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import structlog
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from flashnotify.channels.net.http_connection_pool import Connections
from flashnotify.clock import Clock
from flashnotify.errors import NotPermitted, Unavailable

log = structlog.get_logger(__name__)

# Never one with a shared key, and never none (RFC 8725, section 3.1).
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
# Seconds for which what the provider says of itself is kept, and between two looks for new keys.
_KEEP, _LOOK_AGAIN = 3600, 60
# Seconds that its clock may differ.
_LEEWAY = 60
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(slots=True)
class OpenIdProvider:
    """The provider with an `issuer`, as `client_id` sees it (OpenID Connect Core 1.0)."""

    issuer: str
    client_id: str
    client_secret: str
    connections: Connections
    clock: Clock
    _metadata: Mapping[str, Any] = field(default_factory=dict, init=False)
    _keys: KeySet | None = field(default=None, init=False)
    _read_at: float = field(default=0.0, init=False)
    _keys_at: float = field(default=0.0, init=False)

    async def sign_in_url(self, callback: str, state: str, nonce: str, verifier: str) -> str:
        """Return the URL at which a person signs in. Raise `Unavailable` if it is not known."""
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": callback,
            "scope": "openid profile email",
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        url = (await self._described())["authorization_endpoint"]
        return str(add_params_to_uri(url, parameters.items()))

    async def claims(
        self, code: str, callback: str, nonce: str, verifier: str
    ) -> Mapping[str, Any]:
        """Return what the provider says of the person who signed in there.

        Raises:
            Unavailable: it does not answer, or not as it should.
            NotPermitted: the code is not valid, or the answer is not to be believed.
        """
        answer = await self._exchange(code, callback, verifier)
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str):
            raise _refused("no_id_token")
        claims = await self._verified(token, nonce, access)
        return {**await self._more_of(claims["sub"], access), **claims}

    async def _more_of(self, subject: str, access: object) -> Mapping[str, Any]:
        """Return what the provider tells only with an access token (section 5.3)."""
        url = (await self._described()).get("userinfo_endpoint")
        if not isinstance(url, str) or not isinstance(access, str):
            return {}
        headers = {"Authorization": f"Bearer {access}"}
        found = _ok(*await self._ask("GET", url, headers, None))
        if found.get("sub") != subject:
            raise _refused("other_subject")
        return found

    async def _exchange(self, code: str, callback: str, verifier: str) -> Mapping[str, Any]:
        metadata = await self._described()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "code_verifier": verifier,
        }
        headers = dict(_FORM)
        # The default, also of providers that list none (Discovery 1.0, section 3).
        ways = _strings(metadata, "token_endpoint_auth_methods_supported")
        if "client_secret_post" in ways and "client_secret_basic" not in ways:
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        else:
            # RFC 6749, section 2.3.1.
            pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        url = metadata["token_endpoint"]
        status, answer = await self._ask("POST", url, headers, urlencode(form).encode())
        if status in (400, 401):
            raise _refused(str(answer.get("error"))[:40])
        return _ok(status, answer)

    async def _verified(self, token: str, nonce: str, access: object) -> Mapping[str, Any]:
        """Return the claims of an ID token that is valid (OpenID Connect Core 1.0, 3.1.3.7)."""
        try:
            decoded = await self._decoded(token)
            options = {
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self.client_id},
                "sub": {"essential": True},
            }
            params = {"nonce": nonce, "client_id": self.client_id, "access_token": access}
            claims = CodeIDToken(decoded.claims, decoded.header, options, params)
            claims.validate(now=self.clock.now() // 1000, leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError) as error:
            raise _refused(type(error).__name__) from None
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise _refused("no_subject")
        return dict(claims)

    async def _decoded(self, token: str) -> jwt.Token:
        keys = await self._key_set(fresh=False)
        try:
            return jwt.decode(token, keys, algorithms=_ALGORITHMS)
        except (JoseError, ValueError):
            # The provider may have new keys.
            return jwt.decode(token, await self._key_set(fresh=True), algorithms=_ALGORITHMS)

    async def _key_set(self, *, fresh: bool) -> KeySet:
        now = self.clock.monotonic()
        age = now - self._keys_at
        if self._keys is None or age >= (_LOOK_AGAIN if fresh else _KEEP):
            url = (await self._described())["jwks_uri"]
            answer = _ok(*await self._ask("GET", url, {}, None))
            try:
                self._keys = KeySet.import_key_set(answer)  # type: ignore[arg-type]  # it checks
            except (JoseError, ValueError, TypeError, KeyError) as error:
                raise _failed("wrong_keys", error) from None
            self._keys_at = now
        return self._keys

    async def _described(self) -> Mapping[str, Any]:
        """Return the provider's metadata (OpenID Connect Discovery 1.0, section 4)."""
        now = self.clock.monotonic()
        if self._metadata and now - self._read_at < _KEEP:
            return self._metadata
        url = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
        found = _ok(*await self._ask("GET", url, {}, None))
        if found.get("issuer") != self.issuer:
            raise _failed("wrong_issuer")
        schemes = ("https",) if self.issuer.startswith("https:") else ("http", "https")
        urls = [found.get(name) for name in _ENDPOINTS]
        urls.append(found.get("userinfo_endpoint", self.issuer))
        if not all(urlsplit(str(url)).scheme in schemes for url in urls):
            raise _failed("wrong_metadata")
        self._metadata, self._read_at = found, now
        return found

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[int, Mapping[str, Any]]:
        try:
            accept = {"Accept": "application/json"}
            answer = await self.connections.request(method, url, accept | dict(headers), content)
        except (OSError, TimeoutError, ValueError) as error:
            raise _failed("no_answer", error) from None
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise _failed("no_json", error) from None
        if not answer.complete or not isinstance(document, dict):
            raise _failed("no_json")
        return answer.status_code, document


def _ok(status: int, document: Mapping[str, Any]) -> Mapping[str, Any]:
    if status != 200:
        raise _failed(f"status_{status}")
    return document


def _strings(document: Mapping[str, Any], name: str) -> Sequence[str]:
    found = document.get(name)
    return found if isinstance(found, list) else ()


def _refused(reason: str) -> NotPermitted:
    log.warning("sign_on.refused", reason=reason)
    return NotPermitted("The sign-on is not valid. Start it again.", code="sign_on_refused")


def _failed(reason: str, error: Exception | None = None) -> Unavailable:
    log.error("sign_on.failed", reason=reason, error=error and type(error).__name__)
    detail = "The campus sign-on does not answer as it should. Try again later."
    return Unavailable(detail, retry_after=30, code="sign_on_unavailable")
