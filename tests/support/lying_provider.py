"""An OpenID Connect provider whose answers a test may falsify, without a network."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from flashnotify.channels.net.http_connection import Answer
from tests.support.manual_clock import ManualClock

ISSUER = "https://login.univ.example"
CLIENT = "flashnotify"


class LyingProvider:
    """Stands for the connections to a provider, which is honest until a test changes its parts."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})
        # What its next ID token has in addition, its headers, and who signs it.
        self.claims: dict[str, Any] = {}
        self.without: set[str] = set()
        self.headers: dict[str, Any] = {}
        self.signed_by: Any = None
        self.id_token: Any = None
        self.userinfo: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.answers: dict[str, Answer | Exception] = {}
        self.asked: list[tuple[str, Mapping[str, str], dict[str, str]]] = []
        self.nonce = ""
        self.codes = {"code"}

    def visit(self, url: str) -> dict[str, str]:
        """Sign in at the provider, and return the parameters with which one comes back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.nonce = asked["nonce"]
        return {"code": "code", "state": asked["state"]}

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        path = urlsplit(url).path
        form = dict(parse_qsl((content or b"").decode()))
        self.asked.append((path, headers, form))
        if path in self.answers:
            answer = self.answers[path]
            if isinstance(answer, Exception):
                raise answer
            return answer
        return getattr(self, "_" + path.rpartition("/")[2].replace("-", "_"))(form)  # type: ignore[no-any-return]

    async def close(self) -> None:
        pass

    def _openid_configuration(self, form: dict[str, str]) -> Answer:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token"}
        names |= {"jwks_uri": "jwks", "userinfo_endpoint": "userinfo"}
        urls = {name: f"{ISSUER}/{path}" for name, path in names.items()}
        return json_answer({"issuer": ISSUER, **urls, **self.metadata})

    def _jwks(self, form: dict[str, str]) -> Answer:
        return json_answer({"keys": [self.key.as_dict(private=False)]})

    def _token(self, form: dict[str, str]) -> Answer:
        if form["code"] not in self.codes:
            return json_answer({"error": "invalid_grant"}, 400)
        self.codes.remove(form["code"])
        token = self.id_token or self.token()
        return json_answer({"access_token": "at", "token_type": "Bearer", "id_token": token})

    def _userinfo(self, form: dict[str, str]) -> Answer:
        return json_answer({"sub": "etu1", **self.userinfo})

    def token(self) -> str:
        """Return an ID token."""
        now = self.clock.now() // 1000
        claims = {"iss": ISSUER, "aud": CLIENT, "sub": "etu1", "iat": now, "exp": now + 300}
        claims |= {"nonce": self.nonce, **self.claims}
        claims = {name: value for name, value in claims.items() if name not in self.without}
        headers = {"alg": "RS256", "kid": "1", **self.headers}
        return jwt.encode(headers, claims, self.signed_by or self.key, algorithms=[headers["alg"]])


def forged(claims: Mapping[str, Any], secret: bytes | None = None) -> str:
    """Return a token of the algorithm HS256, or of `none` without a `secret`."""
    header = {"alg": "none"} if secret is None else {"alg": "HS256", "kid": "1"}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
    signature = b"" if secret is None else hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{_encoded(signature)}"


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()


def json_answer(document: Any, status: int = 200) -> Answer:
    """Return an answer of a provider."""
    return Answer(b"HTTP/1.1", status, [], bytearray(json.dumps(document).encode()), True)
