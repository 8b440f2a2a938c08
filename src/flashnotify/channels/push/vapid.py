"""VAPID: how push services know who sends (RFC 8292), with a key that is made once and kept."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from py_vapid.jwt import sign

from flashnotify.channels.push.message_encryption import encode
from flashnotify.clock import Clock
from flashnotify.errors import SettingsError

# Seconds that a token is good for (RFC 8292, section 2, allows 24 h), and those before its end in
# which it is not used any more: the push service's clock may be ahead of ours.
_LIFETIME = 12 * 3600
_MARGIN = 3600
# Tokens kept. Push services are few, but strangers name them.
_MOST = 1000


class Vapid:
    """Signs for push services, as the application server that `public_key` stands for.

    `public_key` is what browsers need to subscribe (`applicationServerKey`), in base64url;
    `contact` a mailto: or https: URI of whoever runs this service.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, contact: str, clock: Clock) -> None:
        self._key = key
        self._contact = contact
        self._clock = clock
        self._authorizations: dict[str, tuple[str, int]] = {}
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = encode(point)

    def authorization(self, origin: str) -> str:
        """The Authorization header for a push service (RFC 8292, section 3), kept until it ends."""
        now = self._clock.now() // 1000
        header, expires_at = self._authorizations.get(origin, ("", 0))
        if now < expires_at - _MARGIN:
            return header
        expires_at = now + _LIFETIME
        token = sign({"aud": origin, "exp": expires_at, "sub": self._contact}, self._key)
        header = f"vapid t={token}, k={self.public_key}"
        if len(self._authorizations) >= _MOST:
            del self._authorizations[next(iter(self._authorizations))]
        self._authorizations[origin] = header, expires_at
        return header


def kept_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in the file at `path`, made if there is none.

    Raises:
        SettingsError: the file holds something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _load(path)
    key = ec.generate_private_key(ec.SECP256R1())
    with os.fdopen(file, "wb") as stream:
        stream.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        stream.flush()
        os.fsync(stream.fileno())
    return key


def _load(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SettingsError(
            f"{path} is damaged: it must hold the private key for Web Push, as PEM. Restore it "
            "from a backup, or remove it and let all browsers subscribe again"
        )
    return key
