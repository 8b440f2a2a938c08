"""Message encryption for Web Push: from this service to one browser (RFC 8291)."""

import hmac
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flashnotify.errors import InvalidValue

# A push message has at most 4096 bytes (RFC 8030, section 7.2), 103 of them for the encryption
# (RFC 8291, section 4).
MAX_BYTES = 4096 - 103
# RFC 8188, section 2: a message is one record, the last one.
_RECORD_SIZE = (4096).to_bytes(4, "big")
_LAST_RECORD = b"\x02"


def encrypt(
    message: bytes,
    p256dh: str,
    auth: str,
    *,
    salt: bytes | None = None,
    private_key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """Return the body of a push with `message`, of 1 to MAX_BYTES bytes, for a subscription's keys.

    `salt` and `private_key` are random (RFC 8291, section 3.1) but for tests. Takes 0.15 ms, most
    of it for the key and its exchange.
    """
    assert 0 < len(message) <= MAX_BYTES
    salt, key = salt or os.urandom(16), private_key or ec.generate_private_key(ec.SECP256R1())
    theirs = decode(p256dh)
    ours = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
    # RFC 8291, section 3.4, then RFC 8188, sections 2.2 and 2.3.
    shared = _extract(decode(auth), key.exchange(ec.ECDH(), point))
    secret = _extract(salt, _expand(shared, b"WebPush: info\0" + theirs + ours))
    content_key = _expand(secret, b"Content-Encoding: aes128gcm\0")[:16]
    nonce = _expand(secret, b"Content-Encoding: nonce\0")[:12]
    header = salt + _RECORD_SIZE + len(ours).to_bytes(1, "big") + ours
    return header + AESGCM(content_key).encrypt(nonce, message + _LAST_RECORD, None)


def _extract(salt: bytes, secret: bytes) -> bytes:
    """Return a pseudorandom key (RFC 5869, section 2.2)."""
    return hmac.digest(salt, secret, "sha256")


def _expand(key: bytes, info: bytes) -> bytes:
    """Return the first 32 bytes of key material (RFC 5869, section 2.3)."""
    return hmac.digest(key, info + b"\x01", "sha256")


def public_key(text: str) -> str:
    """Return a subscription's `p256dh` in canonical form, or raise a ValueError."""
    point = decode(text)
    try:
        if len(point) != 65:
            raise ValueError
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise InvalidValue(
            "not_a_public_key",
            "is not a public key on P-256; give the 65 bytes of getKey('p256dh')",
        ) from None
    return encode(point)


def auth_secret(text: str) -> str:
    """Return a subscription's `auth` in canonical form, or raise a ValueError."""
    secret = decode(text)
    if len(secret) != 16:
        raise InvalidValue(
            "not_an_auth_secret",
            "is not an authentication secret; give the 16 bytes of getKey('auth')",
        )
    return encode(secret)


def encode(data: bytes) -> str:
    """Return `data` in base64url without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes of base64url with or without padding, or raise a ValueError."""
    text = text.rstrip("=")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text) or len(text) % 4 == 1:
        raise InvalidValue("not_base64url", "is not base64url")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
