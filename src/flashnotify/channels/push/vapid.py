"""VAPID: tells push services who sends (RFC 8292), with a key that is created once and kept."""

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

from flashnotify.bounded_cache import BoundedCache
from flashnotify.channels.push.message_encryption import encode
from flashnotify.clock import Clock
from flashnotify.errors import SettingsError
from flashnotify.private_file import read_or_create

# Seconds that a token is valid (RFC 8292, section 2, allows 24 h), and that we replace it early, as
# the push service's clock may be ahead of ours.
_LIFETIME = 12 * 3600
_MARGIN = 3600


class Vapid:
    """Signs requests to push services.

    `public_key` is the `applicationServerKey` that browsers need to subscribe, in base64url;
    `contact` is a mailto: or https: URI of the people who run this service.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, contact: str, clock: Clock) -> None:
        self._key = key
        self._contact = contact
        self._clock = clock
        # Push services are few, but untrusted devices name them.
        self._authorizations: BoundedCache[str, tuple[str, int]] = BoundedCache(1000)
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = encode(point)

    def authorization(self, origin: str) -> str:
        """Return the Authorization header for a push service (RFC 8292, section 3)."""
        now = self._clock.now() // 1000
        header, expires_at = self._authorizations.get(origin, ("", 0))
        if now < expires_at - _MARGIN:
            return header
        expires_at = now + _LIFETIME
        token = sign({"aud": origin, "exp": expires_at, "sub": self._contact}, self._key)
        header = f"vapid t={token}, k={self.public_key}"
        self._authorizations[origin] = header, expires_at
        return header


def kept_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key kept at `path`, created if missing; raise a SettingsError if damaged."""
    try:
        key = load_pem_private_key(read_or_create(path, _new_key), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SettingsError(
            f"{path} is damaged: it must hold the private key for Web Push, as PEM. Restore it "
            "from a backup, or remove it and let all browsers subscribe again"
        )
    return key


def _new_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
