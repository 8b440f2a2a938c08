"""Forged tokens are refused, and joserfc, which shares no code with python-jose, agrees."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from flashnotify.app import Service
from flashnotify.errors import NotAuthenticated
from flashnotify.identity.roles import user_principal
from flashnotify.identity.tokens import TokenType
from flashnotify.settings import ServiceConfig
from tests.support.forged_tokens import ISSUER, Forger, b64, forged, tokens_of
from tests.support.manual_clock import ManualClock
from tests.support.people import add_user
from tests.support.running import running

SECRET = b"s" * 32
CLOCK = ManualClock()
NOW = CLOCK.now() // 1000
FORGER = Forger(SECRET, NOW)
TOKENS = tokens_of(SECRET, CLOCK)


def accepts(token: str, type: TokenType = TokenType.access) -> bool:
    try:
        TOKENS.verify(token, type)
    except NotAuthenticated:
        return False
    return True


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a member is there twice")
    return found


class _Decoder(json.JSONDecoder):
    """As RFC 7519, section 4 allows: a claim that is there twice is refused."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_once)


_CLAIMS = jwt.JWTClaimsRegistry(
    now=NOW,
    leeway=0,
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": "flashnotify"},
    sub={"essential": True},
    jti={"essential": True},
    iat={"essential": True},
    exp={"essential": True},
)


def joserfc_accepts(token: str) -> bool:
    """Return whether joserfc accepts a token as a resource server by RFC 9068 would use it."""
    key = OctKey.import_key(FORGER.key)
    try:
        found = jwt.decode(token, key, algorithms=["HS256"], decoder_cls=_Decoder)
        _CLAIMS.validate(found.claims)
        # It takes the last of two members in a header.
        json.loads(base64.urlsafe_b64decode(token.split(".", 1)[0] + "=="), cls=_Decoder)
    except (JoseError, ValueError, TypeError, RecursionError):
        return False
    header, claims = found.header, found.claims
    times = [claims[name] for name in ("iat", "exp")]
    return (
        header == FORGER.header
        and all(type(time) is int for time in times)
        and 0 < times[1] - times[0] <= 900
        and isinstance(claims["aud"], str)
        and isinstance(claims["iss"], str)
    )


def test_a_good_token_is_accepted() -> None:
    """Or the rest would show nothing."""
    for good in (
        FORGER.sign(),
        FORGER.with_claims(iat=NOW + 5),
        FORGER.with_claims(nbf=NOW + 5),
        FORGER.with_claims(nbf=NOW, x={"deep": [1]}, scope=...),
        FORGER.with_claims(iat=NOW - 899, exp=NOW + 1),
        FORGER.sign(header={name: FORGER.header[name] for name in ("kid", "typ", "alg")}),
    ):
        assert accepts(good)
    assert joserfc_accepts(FORGER.sign())


def test_forged_tokens_are_refused() -> None:
    found = dict(forged(FORGER))
    assert len(found) > 300
    assert [what for what, token in found.items() if accepts(token)] == []


def test_joserfc_refuses_them_too() -> None:
    """But for forms that are ours, of ids and scopes, and for JSON that is not in plain UTF-8."""
    taken = [what for what, token in forged(FORGER) if joserfc_accepts(token)]
    ours = ("sub ", "jti ", "sid ", "no sid", "scope ", "huge", "nbf 1800000000.0")
    encoded = ("the header '\\ufeff", "the claims '\\ufeff", "claims in UTF-16")
    assert [what for what in taken if not what.startswith((*ours, *encoded))] == []


async def test_no_forged_token_gets_in_over_http(clock: ManualClock) -> None:
    """Each one gets a 401 and never a 500, as a bearer token and wherever else one is taken."""
    async with running(
        Service(ServiceConfig(secret_key=SECRET.decode()), clock), deliver=False
    ) as service:
        user = await add_user(service.service)
        issued = await service.service.identity.grants.issue(
            user_principal(user), None, "password", None
        )
        good = TOKENS.verify(issued.access_token, TokenType.access)
        forger = Forger(SECRET, NOW, sub=good.sub, sid=str(good.sid))
        get = service.anonymous.get
        good_header = {"Authorization": f"Bearer {forger.sign()}"}
        accepted = await get("/v1/auth/me", headers=good_header)
        assert accepted.status_code == 200
        for what, token in forged(forger):
            encoded = f"Bearer {token}".encode("utf-8", "replace")
            answer = await get("/v1/auth/me", headers={b"authorization": encoded})
            assert answer.status_code == 401, what
            assert answer.json()["code"] in ("invalid_token", "expired_token"), what
            assert token[:40] not in answer.text or len(token) < 40


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_both_refuse_a_token_with_changed_characters(data: st.DataObject) -> None:
    token = FORGER.sign()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(token)))
        new = data.draw(st.text("AZaz09-_.=+/ \n\0é", max_size=3))
        token = token[:at] + new + token[at + data.draw(st.integers(0, 3)) :]
    assert accepts(token) == joserfc_accepts(token) == (token == FORGER.sign())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
TIMES = st.integers(NOW - 1000, NOW + 1000) | st.integers()


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(["iss", "aud", "iat", "exp", "nbf", "jti", "sub"]),
    value=JSON | TIMES,
    other=st.integers(NOW - 1000, NOW + 1000),
)
def test_what_joserfc_refuses_in_claims_is_refused(name: str, value: Any, other: int) -> None:
    """With the right key. We refuse more: joserfc takes any text as a subject or an id."""
    claims = {"iat": other, "exp": other + 900, name: value}
    token = FORGER.with_claims(**claims)
    if accepts(token):
        # Ours has a leeway for what comes from the future.
        assert joserfc_accepts(token) or NOW < max(claims["iat"], claims.get("nbf", 0)) <= NOW + 5
    elif joserfc_accepts(token):
        assert name in ("sub", "jti", "nbf")


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(["alg", "typ", "kid", "crit", "jwk", "b64", "zip"]) | st.text(max_size=4),
    value=JSON | st.sampled_from(["HS256", "none", "at+jwt", FORGER.header["kid"]]),
)
def test_both_agree_on_headers(name: str, value: Any) -> None:
    token = FORGER.with_header(**{name: value})
    assert accepts(token) == joserfc_accepts(token)


@settings(max_examples=100, deadline=None)
@given(header=st.binary(max_size=60), claims=st.binary(max_size=60))
def test_both_refuse_what_is_not_json(header: bytes, claims: bytes) -> None:
    for token in (
        f"{b64(header)}.{FORGER.sign().split('.', 1)[1]}",
        FORGER.sign(claims=claims.decode("latin-1") or " "),
        FORGER.sign(header=header.decode("latin-1") or " "),
    ):
        assert not accepts(token)
        assert not joserfc_accepts(token)
