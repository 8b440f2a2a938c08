"""Tokens that nobody may accept, made as somebody would who knows JWT well."""

import base64
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flashnotify.identity.tokens import Tokens, TokenType

ISSUER = "http://127.0.0.1:8000"


def b64(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def as_json(value: Any) -> bytes:
    """Return compact JSON; text is JSON already."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


class Forger:
    """Makes tokens with the real key, whose claims or header are wrong, and with other keys."""

    def __init__(self, secret: bytes, now: int, **claims: Any) -> None:
        # As in `Tokens`: a test that everything is refused because of its key would show nothing.
        self.key = hmac.digest(secret, b"flashnotify tokens", "sha256")
        self.header = {
            "alg": "HS256",
            "typ": "at+jwt",
            "kid": hmac.digest(self.key, b"key id", "sha256").hex()[:16],
        }
        self.now = now
        self.claims: Mapping[str, Any] = {
            "iss": ISSUER,
            "aud": "flashnotify",
            "sub": f"user:{uuid4()}",
            "jti": str(uuid4()),
            "iat": now,
            "exp": now + 900,
            "sid": str(uuid4()),
            "scope": "read",
            **claims,
        }

    def sign(self, header: Any = None, claims: Any = None, key: bytes | None = None) -> str:
        """Return a signed token, good unless something is changed."""
        parts = (self.header if header is None else header, claims or self.claims)
        signed = ".".join(b64(as_json(part)) for part in parts)
        digest = hmac.digest(self.key if key is None else key, signed.encode(), "sha256")
        return f"{signed}.{b64(digest)}"

    def with_header(self, **changes: Any) -> str:
        """Return a token with a changed header, without members that are `...`."""
        return self.sign(header=_changed(self.header, changes))

    def with_claims(self, **changes: Any) -> str:
        """Return a token with changed claims, without those that are `...`."""
        return self.sign(claims=_changed(self.claims, changes))


def _changed(members: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not ...}


def forged(forger: Forger) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a token, and the token."""
    yield from _algorithms(forger)
    yield from _headers(forger)
    yield from _claims(forger)
    yield from _times(forger)
    yield from _forms(forger)


def _algorithms(forger: Forger) -> Iterator[tuple[str, str]]:
    unsigned = forger.sign().rpartition(".")[0]
    alg: Any
    for alg in ("none", "None", "NONE", "nOnE", "none ", "", None, ["none"], ["HS256"], 0, {}):
        changed = forger.with_header(alg=alg)
        yield f"alg {alg!r}", changed
        yield f"alg {alg!r} without a signature", changed.rpartition(".")[0] + "."
    for alg in ("HS384", "HS512", "hs256", "RS256", "ES256", "PS256", "EdDSA", "HS256\0", "dir"):
        yield f"alg {alg!r}", forger.with_header(alg=alg)
    yield "no alg", forger.with_header(alg=...)
    yield "no signature", f"{unsigned}."
    yield "no third part", unsigned
    public = rsa.generate_private_key(65537, 2048).public_key()
    for form, encoding in (("PEM", Encoding.PEM), ("DER", Encoding.DER)):
        key = public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        for alg in ("HS256", "RS256"):
            header = {**forger.header, "alg": alg}
            yield f"{alg} with a public key in {form}", forger.sign(header, key=key)
    for key in (b"", b"\0" * 32, b"secret", forger.header["kid"].encode(), b"null"):
        yield f"the key {key!r}", forger.sign(key=key)
    for form in (
        forger.sign()[:-1] + ("A" if forger.sign()[-1] != "A" else "Q"),
        forger.sign()[:-4],
        forger.sign() + "AAAA",
        f"{unsigned}.{b64(b'')}",
        f"{unsigned}.{b64(bytes(32))}",
        f"{unsigned}.{b64(hmac.digest(forger.key, unsigned.encode(), 'sha512'))}",
    ):
        yield f"the signature {form.rpartition('.')[2][:20]}", form


def _headers(forger: Forger) -> Iterator[tuple[str, str]]:
    jwk = {"kty": "oct", "k": b64(b"k" * 32), "alg": "HS256"}
    for name, value in {
        "crit": ["exp"],
        "b64": False,
        "jwk": jwk,
        "jku": "https://evil.example/jwks.json",
        "x5u": "https://evil.example/x.pem",
        "x5c": ["MIIB"],
        "x5t": "abc",
        "zip": "DEF",
        "cty": "JWT",
        "enc": "A128GCM",
        "p2c": 10**9,
        "nonce": "x",
        "__proto__": {},
    }.items():
        yield f"the header {name}", forger.with_header(**{name: value})
        own = {**forger.header, name: value}
        yield f"the header {name}, another key", forger.sign(own, key=b"k" * 32)
    yield "crit with b64", forger.with_header(crit=["b64"], b64=False)
    for typ in ("JWT", "rt+jwt", "AT+JWT", "application/at+jwt", "at+jwt ", "", None, ["at+jwt"]):
        yield f"typ {typ!r}", forger.with_header(typ=typ)
    yield "no typ", forger.with_header(typ=...)
    for kid in (
        *("", "0", "../../../../dev/null", "/dev/null", "x' UNION SELECT 'k", "| id", "\0", "é"),
        *(None, 0, True, 1.5, [], {}, [forger.header["kid"]], {"kid": 1}, "k" * 10_000),
        forger.header["kid"].upper() + " ",
        forger.header["kid"] + "\0",
    ):
        yield f"kid {str(kid)[:30]!r}", forger.with_header(kid=kid)
        empty = forger.sign({**forger.header, "kid": kid}, key=b"")
        yield f"kid {str(kid)[:30]!r}, an empty key", empty
    yield "no kid", forger.with_header(kid=...)
    text = json.dumps(forger.header)
    twice = text[:-1] + ', "alg": "HS256"}'
    yield "alg twice", forger.sign(header=twice)
    yield "alg none, then HS256", forger.sign(header='{"alg": "none", ' + text[1:])
    yield "kid twice", forger.sign(header='{"kid": "x", ' + text[1:])
    for header in ("[]", "null", '"x"', "1", "{}", "", "{", text + "x", "\ufeff" + text, "[" * 180):
        yield f"the header {header[:20]!r}", forger.sign(header=header or " ")
    padded = text[:-1] + " " * 10_000 + "}"
    yield "a huge header", forger.sign(header=padded)


def _claims(forger: Forger) -> Iterator[tuple[str, str]]:
    value: Any
    for name in ("iss", "aud", "sub", "jti", "iat", "exp", "sid"):
        yield f"no {name}", forger.with_claims(**{name: ...})
        for value in (None, True, False, [], {}, "", 1.5, [[]], "\ud800", "x" * 5000):
            yield f"{name} {str(value)[:20]!r}", forger.with_claims(**{name: value})
    for aud in ("flashnotify2", "FlashNotify", ["flashnotify"], ["flashnotify", "x"], ["x"]):
        yield f"aud {aud!r}", forger.with_claims(aud=aud)
    for iss in ("https://evil.example", ISSUER + "/", ISSUER.upper(), [ISSUER]):
        yield f"iss {iss!r}", forger.with_claims(iss=iss)
    for sub in ("user:", "admin", "local", "user:x'--", "key:../x", "group:1", "User:1", "user:é"):
        yield f"sub {sub!r}", forger.with_claims(sub=sub)
    for scope in (["admin"], {"admin": True}, 1, "read  admin", " admin", "admin\n", "a\0"):
        yield f"scope {scope!r}", forger.with_claims(scope=scope)
    text = json.dumps(dict(forger.claims))
    yield "sub twice", forger.sign(claims=text[:-1] + ', "sub": "user:1"}')
    yield "exp twice", forger.sign(claims='{"exp": 1, ' + text[1:])
    yield "twice below", forger.sign(claims=text[:-1] + ', "x": {"a": 1, "a": 1}}')
    yield "nested deeply", forger.sign(claims=text[:-1] + ', "x": ' + "[" * 5900 + "}")
    deep = "[" * 2500 + "]" * 2500
    yield "nested deeply, well formed", forger.sign(claims=text[:-1] + f', "x": {deep}}}')
    yield "huge", forger.with_claims(x="x" * 8000)
    for claims in ("[]", "null", '"x"', "1", "{}", "{", text + "x", "\ufeff" + text, text + "\0"):
        yield f"the claims {claims[:20]!r}", forger.sign(claims=claims)
    parts = [b64(as_json(forger.header)), b64(text.encode("utf-16"))]
    signed = ".".join(parts)
    signature = b64(hmac.digest(forger.key, signed.encode(), "sha256"))
    yield "claims in UTF-16", f"{signed}.{signature}"


def _times(forger: Forger) -> Iterator[tuple[str, str]]:
    now = forger.now
    for name in ("iat", "exp"):
        good = forger.claims[name]
        for time in (str(good), float(good), good + 0.5, [good], {"$gt": 0}, 10**400, -1, 0, 2**63):
            yield f"{name} {str(time)[:20]!r}", forger.with_claims(**{name: time})
        infinite = json.dumps({**forger.claims, name: float("inf")})
        yield f"{name} is infinite", forger.sign(claims=infinite)
        yield f"{name} 1e999", forger.sign(claims=infinite.replace("Infinity", "1e999"))
        nan = forger.sign(claims=infinite.replace("Infinity", "NaN"))
        yield f"{name} is not a number", nan
    yield "expired", forger.with_claims(iat=now - 900, exp=now)
    yield "expired long ago", forger.with_claims(iat=1, exp=900)
    yield "from the future", forger.with_claims(iat=now + 6, exp=now + 900)
    yield "valid for too long", forger.with_claims(exp=now + 901)
    yield "valid for ever", forger.with_claims(exp=2**53)
    yield "over before it began", forger.with_claims(iat=now + 1, exp=now + 1)
    for nbf in (now + 6, 2**63, str(now), True, None, float(now), [now]):
        yield f"nbf {nbf!r}", forger.with_claims(nbf=nbf)


def _forms(forger: Forger) -> Iterator[tuple[str, str]]:
    good = forger.sign()
    header, claims, signature = good.split(".")
    yield "JWE", ".".join((header, "", claims, signature, b64(b"tag")))
    yield "JWE, direct", ".".join((b64(b'{"alg":"dir","enc":"A128GCM"}'), "", claims, claims, "AA"))
    yield (
        "JSON serialization",
        json.dumps({"payload": claims, "protected": header, "signature": signature}),
    )
    for part in range(3):
        parts = good.split(".")
        for change in ("=", "==", "%3D", ".", "~", "+", "/", "é", "\u00a0", "\u200b", "\u0660"):
            changed = [*parts]
            changed[part] += change
            yield f"{change!r} after part {part}", ".".join(changed)
        for place, cut in (
            ("empty", ""),
            ("with a space", parts[part][:4] + " " + parts[part][4:]),
        ):
            changed = [*parts]
            changed[part] = cut
            yield f"part {part} {place}", ".".join(changed)
        last = parts[part][-1]
        for other in {chr(ord(last) + 1), chr(ord(last) - 1)}:
            changed = [*parts]
            changed[part] = parts[part][:-1] + other
            yield f"the last character of part {part} is {other!r}", ".".join(changed)
    yield "standard alphabet", _standard(forger)
    for changed_form in (".", "..", "...", "....", good + ".", "." + good, good + "." + signature):
        yield f"the form {changed_form[:8]!r} of {len(changed_form)}", changed_form
    for start in ("fn.", "Bearer ", "\x7f", "{", '"'):
        yield f"{start!r} before", start + good
    yield "swapped", f"{claims}.{header}.{signature}"
    yield "very long", "a" * 60_000
    yield "very many parts", "a." * 30_000


def _standard(forger: Forger) -> str:
    """Return a token in the alphabet with + and /, signed as it is."""
    claims = base64.b64encode(as_json({**forger.claims, "x": "~~~???>>>"})).decode().rstrip("=")
    signed = f"{b64(as_json(forger.header))}.{claims}"
    digest = hmac.digest(forger.key, signed.encode(), "sha256")
    return f"{signed}.{base64.b64encode(digest).decode().rstrip('=')}"


def tokens_of(secret: bytes, clock: Any, issuer: str = ISSUER) -> Tokens:
    """Return what verifies the tokens of a forger with the same secret."""
    tokens = Tokens([secret], issuer, clock)
    tokens.load()
    return tokens


ACCESS = TokenType.access
