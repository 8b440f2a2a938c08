"""Web Push subscriptions, written into an archive: to register so many takes minutes."""

import os
import sqlite3
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Keys(NamedTuple):
    """The keys of a subscription (RFC 8291, section 2)."""

    public: bytes
    auth: bytes

    @classmethod
    def create(cls) -> "Keys":
        """Create new ones."""
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        return cls(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), os.urandom(16))


def subscribe(archive: Path, gateway: str, number: int) -> Sequence[str]:
    """Write so many subscriptions at a gateway into an archive, and return their addresses."""
    keys, now = Keys.create(), int(time.time() * 1000)
    public, auth = (urlsafe_b64encode(key).rstrip(b"=").decode() for key in keys)
    ids = [UUID(int=(now + n << 80) | 7 << 76 | 1 << 63 | n) for n in range(number)]
    rows = [
        (id.bytes, "webpush", f"{gateway}push/{n}", public, auth, now) for n, id in enumerate(ids)
    ]
    with sqlite3.connect(archive) as connection:
        connection.executemany(
            "INSERT INTO devices (id, type, target, p256dh, auth, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )
    connection.close()
    return [f"push:{id}" for id in ids]
