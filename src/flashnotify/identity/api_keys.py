"""API keys: `fn_<id>_<secret><checksum>`.

The id finds the key and the secret authenticates it. The checksum detects typing mistakes, and
lets secret scanners recognise a key, without a look-up. Only an HMAC of the secret is stored.
"""

import hashlib
import hmac
import secrets
import string
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from flashnotify.archive.ports import ApiKeys as StoredKeys
from flashnotify.archive.records import ApiKey
from flashnotify.bounded_cache import BoundedCache
from flashnotify.clock import Clock
from flashnotify.domain import Priority
from flashnotify.errors import NotAuthenticated, NotFound
from flashnotify.identity.principal import Principal

_ALPHABET = string.digits + string.ascii_letters
_ID_ALPHABET = string.digits + string.ascii_lowercase
_ID_LENGTH = 10
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32
# Milliseconds between updates of `last_used_at`: a minute is precise enough, and saves writes.
_USE_RESOLUTION = 60_000
_CACHED = 10_000
_CREATE = "Create one: flashnotify keys create"
_UNKNOWN = (
    "Unknown API key: it is not in the archive of this service. Create one in the folder of serve, "
    "or with its FLASHNOTIFY_DATABASE_URL: flashnotify keys create"
)


class NewKey(NamedTuple):
    """A new key. Its token is shown once and stored nowhere."""

    id: str
    token: str


class ApiKeys:
    """Creates, authenticates, lists and revokes API keys.

    `pepper` is the secret of the HMACs; keys that were made with a `previous` one stay valid.
    """

    def __init__(
        self, stored: StoredKeys, clock: Clock, pepper: bytes, previous: Sequence[bytes] = ()
    ) -> None:
        self._stored = stored
        self._clock = clock
        peppers = (pepper, *previous)
        self._peppers = [hmac.digest(one, b"flashnotify api keys", "sha256") for one in peppers]
        # By the digest of a token that was authenticated. Keys change only through this process,
        # so an entry stays valid until the key is revoked here.
        self._known: BoundedCache[bytes, Principal] = BoundedCache(_CACHED)
        self._revoked: set[str] = set()
        self._used: dict[str, int] = {}

    async def authenticate(self, token: str) -> Principal:
        """Return the principal of a token.

        Raises:
            NotAuthenticated: the token is not a key, or the key is unknown, expired or revoked.
        """
        now = self._clock.now()
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        principal = self._known.get(digest)
        if principal is None:
            principal = await self._look_up(token)
            if principal.id in self._revoked:  # during the look-up
                raise _revoked()
            self._known[digest] = principal
        if not self.is_valid(principal):
            raise NotAuthenticated(f"This API key has expired. {_CREATE}", code="expired_key")
        self._record_use(principal.id, now)
        return principal

    def is_valid(self, principal: Principal) -> bool:
        """Return whether the key of an authenticated principal is neither revoked nor expired."""
        expired = principal.expires_at is not None and self._clock.now() >= principal.expires_at
        return not expired and principal.id not in self._revoked

    async def create(
        self, name: str, scopes: Iterable[str], *, max_priority: Priority, expires_at: int | None
    ) -> NewKey:
        """Create a key that expires at `expires_at`, in milliseconds since the epoch."""
        id = _random(_ID_ALPHABET, _ID_LENGTH)
        secret = _random(_ALPHABET, _SECRET_LENGTH)
        allowed = (frozenset(scopes), max_priority)
        now, digest = self._clock.now(), _hmac(self._peppers[0], id, secret)
        await self._stored.add(ApiKey(id, name, digest, *allowed, now, expires_at))
        return NewKey(id, f"fn_{id}_{secret}{_checksum(id, secret)}")

    async def all(self) -> Sequence[ApiKey]:
        """Return all keys, revoked ones included, oldest first."""
        return await self._stored.all()

    async def revoke(self, id: str) -> None:
        """Revoke a key, effective at once. Raise `NotFound` if no key has this id."""
        if await self._stored.find(id) is None:
            raise NotFound(f"No API key has the id {id!r}. List them: flashnotify keys list")
        self._revoked.add(id)
        await self._stored.revoke(id, self._clock.now())
        for digest in [digest for digest, known in self._known.items() if known.id == id]:
            del self._known[digest]

    async def find(self, id: str) -> Principal:
        """Return what a key may do, whoever has it. Raise `NotAuthenticated` if it is revoked."""
        key = await self._stored.find(id)
        if key is None:
            raise NotAuthenticated(_UNKNOWN, code="unknown_key")
        return _principal(key)

    async def _look_up(self, token: str) -> Principal:
        parts = _parse(token)
        if parts is None:
            raise NotAuthenticated(
                "This is not an API key. Copy the whole key, which begins with fn_.",
                code="malformed_key",
            )
        id, secret = parts
        key = await self._stored.find(id)
        stored = key.secret_hmac if key is not None else b""
        hmacs = [_hmac(pepper, id, secret) for pepper in self._peppers]
        if key is None or not any(hmac.compare_digest(stored, each) for each in hmacs):
            raise NotAuthenticated(_UNKNOWN, code="unknown_key")
        return _principal(key)

    def _record_use(self, id: str, now: int) -> None:
        if now - self._used.get(id, 0) >= _USE_RESOLUTION:
            self._used[id] = now
            # Not awaited: a request never fails because of this write.
            self._stored.record_use(id, now)


def _principal(key: ApiKey) -> Principal:
    if key.revoked_at is not None:
        raise _revoked()
    return Principal(key.id, key.scopes, key.max_priority, key.expires_at, name=key.name)


def _hmac(pepper: bytes, id: str, secret: str) -> bytes:
    return hmac.digest(pepper, f"{id}:{secret}".encode(), "sha256")


def _revoked() -> NotAuthenticated:
    return NotAuthenticated(f"This API key was revoked. {_CREATE}", code="revoked_key")


def _parse(token: str) -> tuple[str, str] | None:
    """Return the id and the secret of a well-formed token."""
    prefix, _, rest = token.partition("_")
    id, _, tail = rest.partition("_")
    secret, checksum = tail[:-_CHECKSUM_LENGTH], tail[-_CHECKSUM_LENGTH:]
    if prefix != "fn" or not token.isascii():
        return None
    if len(id) != _ID_LENGTH or len(secret) != _SECRET_LENGTH or checksum != _checksum(id, secret):
        return None
    return id, secret


def _checksum(id: str, secret: str) -> str:
    number, base = zlib.crc32(f"fn_{id}_{secret}".encode()), len(_ALPHABET)
    return "".join(_ALPHABET[number // base**place % base] for place in range(_CHECKSUM_LENGTH))


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
