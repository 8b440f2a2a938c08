"""A browser that has subscribed to Web Push, written from the RFCs alone.

It decrypts with bare primitives, and checks signatures itself: none of what the service uses to
encrypt and to sign.
"""

from __future__ import annotations

import hmac
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Browser:
    """The private half of a subscription."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey | None = None, auth: bytes | None = None
    ) -> None:
        self._key = key or ec.generate_private_key(ec.SECP256R1())
        self._auth = auth or os.urandom(16)

    @property
    def p256dh(self) -> str:
        return b64(_point(self._key.public_key()))

    @property
    def auth(self) -> str:
        return b64(self._auth)

    def subscription(self, endpoint: str, **more: Any) -> dict[str, Any]:
        """Return the document that a page sends to `/v1/devices`."""
        keys = {"p256dh": self.p256dh, "auth": self.auth}
        return {"type": "webpush", "endpoint": endpoint, "keys": keys, **more}

    def decrypt(self, body: bytes) -> bytes:
        """Decrypt a message (RFC 8291, section 3.4, and RFC 8188, section 2)."""
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(body) <= 4096
        assert 18 <= len(record) <= size, "there must be exactly one record"
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self._key.exchange(ec.ECDH(), public)
        info = b"WebPush: info\0" + _point(self._key.public_key()) + sender
        pseudorandom = _hash(salt, _hash(_hash(self._auth, shared), info + b"\1"))
        key = _hash(pseudorandom, b"Content-Encoding: aes128gcm\0\1")[:16]
        nonce = _hash(pseudorandom, b"Content-Encoding: nonce\0\1")[:12]
        padded = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\0")
        assert padded[-1] == 2, "the last record ends with 2 and zeros"
        return padded[:-1]

    def read(self, body: bytes) -> dict[str, Any]:
        """Return the message that the service worker receives."""
        found: dict[str, Any] = json.loads(self.decrypt(body))
        return found


def vapid_claims(authorization: str) -> tuple[dict[str, Any], str]:
    """Verify a VAPID header; return its claims and key (RFC 8292, section 3)."""
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "vapid"
    values = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed, _, signature = values["t"].rpartition(".")
    header, claims = (json.loads(unb64(part)) for part in signed.split("."))
    assert header == {"typ": "JWT", "alg": "ES256"}
    raw = unb64(signature)
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(values["k"]))
    # Raises if the signature is not good (RFC 7518, section 3.4).
    pair = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    key.verify(pair, signed.encode(), ec.ECDSA(SHA256()))
    return claims, values["k"]


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _hash(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")
