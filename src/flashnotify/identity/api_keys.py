"""API keys, and who has them. Only an HMAC of a key's secret is stored."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import NamedTuple

import structlog
from limits import parse as parse_rate

from flashnotify.archive.api_key_records import ApiKey
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.ports import ApiKeys as StoredKeys
from flashnotify.bounded_cache import BoundedCache
from flashnotify.clock import Clock
from flashnotify.domain import moment
from flashnotify.errors import Conflict, NotAuthenticated, NotFound
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.key_format import new_id, new_secret, parse, written
from flashnotify.identity.key_terms import EXPIRES_SOON, KeyState, KeyTerms
from flashnotify.identity.principal import Principal

log = structlog.get_logger(__name__)

# Milliseconds between updates of `last_used_at`: a minute is precise enough, and saves writes.
_USE_RESOLUTION = 60_000
_CACHED = 10_000
# Milliseconds between lines in the log.
_REMINDER = 24 * 3_600_000
_CREATE = "Create one: flashnotify keys create"


class NewKey(NamedTuple):
    """A new key, or a new secret of one. Its token is shown once and stored nowhere."""

    id: str
    token: str


class ApiKeys:
    """Creates, authenticates, lists, rotates and revokes API keys.

    `pepper` is the secret of the HMACs; keys that were made with a `previous` one stay valid.
    """

    def __init__(
        self,
        stored: StoredKeys,
        audit: Audit,
        clock: Clock,
        pepper: bytes,
        previous: Sequence[bytes] = (),
    ) -> None:
        self._stored = stored
        self._audit = audit
        self._clock = clock
        peppers = (pepper, *previous)
        self._peppers = [hmac.digest(one, b"flashnotify api keys", "sha256") for one in peppers]
        # By the digest of a token that was authenticated. Keys change only through this process,
        # so an entry stays valid until the key is rotated or revoked here.
        self._known: BoundedCache[bytes, Principal] = BoundedCache(_CACHED)
        self._revoked: set[str] = set()
        self._rotations: Counter[str] = Counter()
        self._used: dict[str, int] = {}
        self._reminded: dict[str, int] = {}

    async def authenticate(
        self, token: str, address: Callable[[], str | None] = lambda: None
    ) -> Principal:
        """Return the principal of a token that comes from a network `address`.

        Raises:
            NotAuthenticated: the token is not a key, or the key is unknown, expired or revoked, or
                has another secret now.
        """
        now = self._clock.now()
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        principal = self._known.get(digest)
        # What was found may have changed during the look-up.
        while principal is None or not self.is_valid(principal):
            if principal is not None and principal.id in self._revoked:
                raise _revoked()
            principal = self._known[digest] = await self._look_up(token)
        if now - self._used.get(principal.id, 0) >= _USE_RESOLUTION:
            self._record_use(principal, now, address())
        return principal

    def is_valid(self, principal: Principal) -> bool:
        """Return whether an authenticated principal's key is still what proved it.

        It is not once it is revoked, rotated or expired.
        """
        if principal.expires_at is not None and self._clock.now() >= principal.expires_at:
            return False
        return principal.id not in self._revoked and not self.is_rotated(principal)

    def is_rotated(self, principal: Principal) -> bool:
        """Return whether an authenticated principal's key was rotated since then."""
        return principal.rotation != self._rotations.get(principal.id, 0)

    def expires_soon(self, principal: Principal) -> bool:
        """Return whether an authentication expires within two weeks."""
        at = principal.expires_at
        return at is not None and at - self._clock.now() <= EXPIRES_SOON

    async def create(self, terms: KeyTerms, actor: Actor) -> NewKey:
        """Create a key that `actor` owns."""
        id, secret = new_id(), new_secret()
        given = asdict(terms)
        digest, now = _hmac(self._peppers[0], id, secret), self._clock.now()
        key = ApiKey(id=id, secret_hmac=digest, created_at=now, owner=actor.id, **given)
        details = {
            "scopes": sorted(terms.scopes),
            "fields": sorted(name for name, value in given.items() if value is not None),
        }
        write = partial(self._stored.add, key)
        await self._audit.record(actor, "key.created", f"key:{id}", details, write)
        return NewKey(id, written(id, secret))

    async def all(self) -> Sequence[ApiKey]:
        """Return all keys, revoked ones included, oldest first."""
        return await self._stored.all()

    async def rotate(self, id: str, until: int, actor: Actor) -> NewKey:
        """Give a key a new secret; the one that it has is valid `until` then.

        Raises:
            NotFound: no key has this id.
            Conflict: the key is revoked or has expired.
        """
        key = await self._find(id)
        if KeyState.of(key, self._clock.now()) in (KeyState.expired, KeyState.revoked):
            raise Conflict(f"This API key is not valid any more. {_CREATE}", code="key_over")
        secret = new_secret()

        async def write(entry: AuditEntry) -> None:
            await self._stored.rotate(id, _hmac(self._peppers[0], id, secret), until, entry)
            # Here, so that it also happens if the caller is cancelled meanwhile.
            self._rotations[id] += 1
            self._forget(id)

        details = {"previous_expires_at": until}
        await self._audit.record(actor, "key.rotated", f"key:{id}", details, write)
        return NewKey(id, written(id, secret))

    async def revoke(self, id: str, actor: Actor) -> None:
        """Revoke a key, effective at once. Raise `NotFound` if no key has this id."""
        key = await self._find(id)
        if key.revoked_at is not None:
            return
        self._revoked.add(id)
        write = partial(self._stored.revoke, id, self._clock.now())
        await self._audit.record(actor, "key.revoked", f"key:{id}", write=write)
        self._forget(id)

    async def _find(self, id: str) -> ApiKey:
        key = await self._stored.find(id)
        if key is None:
            raise NotFound(f"No API key has the id {id!r}. List them: flashnotify keys list")
        return key

    def _forget(self, id: str) -> None:
        for digest in [digest for digest, known in self._known.items() if known.id == id]:
            del self._known[digest]

    async def find(self, id: str, fingerprint: str | None) -> Principal:
        """Return what a key may do that was proved by the secret with this `fingerprint`.

        Raise `NotAuthenticated` if the key is not valid any more, or no longer has that secret.
        """
        found = await self._found(id, lambda stored: _fingerprint(stored) == fingerprint)
        if found is None:
            raise _rotated()
        return found

    async def _look_up(self, token: str) -> Principal:
        parts = parse(token)
        if parts is None:
            raise NotAuthenticated(
                "This is not an API key. Copy the whole key, which begins with fn_.",
                code="malformed_key",
            )
        id, secret = parts
        digests = [_hmac(pepper, id, secret) for pepper in self._peppers]
        found = await self._found(
            id, lambda stored: any(hmac.compare_digest(stored, digest) for digest in digests)
        )
        if found is None:
            raise _unknown()
        return found

    async def _found(self, id: str, is_proved: Callable[[bytes], bool]) -> Principal | None:
        """Return what a key may do, of which one secret is proved; None if neither is."""
        rotation = self._rotations.get(id, 0)
        key = await self._stored.find(id)
        if key is None:
            raise _unknown()
        if is_proved(key.secret_hmac):
            proved, until = key.secret_hmac, None
        elif key.previous_hmac is not None and is_proved(key.previous_hmac):
            proved, until = key.previous_hmac, key.previous_expires_at
        else:
            return None
        self._require_valid(key, until)
        return _principal(key, _fingerprint(proved), until, rotation)

    def _require_valid(self, key: ApiKey, until: int | None) -> None:
        """Raise `NotAuthenticated` unless a key is valid, and its secret, which is `until` then."""
        now = self._clock.now()
        if key.revoked_at is not None:
            raise _revoked()
        if key.expires_at is not None and now >= key.expires_at:
            raise NotAuthenticated(f"This API key has expired. {_CREATE}", code="expired_key")
        if until is not None and now >= until:
            raise _rotated()

    def _record_use(self, principal: Principal, now: int, address: str | None) -> None:
        id = principal.id
        self._used[id] = now
        # Not awaited: a request never fails because of this write.
        self._stored.record_use(id, now, address)
        if self.expires_soon(principal) and now - self._reminded.get(id, 0) >= _REMINDER:
            assert principal.expires_at is not None
            self._reminded[id] = now
            expires_at = moment(principal.expires_at).isoformat()
            meaning = "give its holder a new one: flashnotify keys rotate, or keys create"
            log.warning("key.expires_soon", id=id, expires_at=expires_at, meaning=meaning)


def _principal(key: ApiKey, fingerprint: str, until: int | None, rotation: int) -> Principal:
    return Principal(
        key.id,
        key.scopes,
        key.max_priority,
        min((at for at in (key.expires_at, until) if at is not None), default=None),
        name=key.name,
        channels=key.channels,
        recipients_per_day=key.recipients_per_day,
        rate=None if key.rate_limit is None else parse_rate(key.rate_limit),
        rotation=rotation,
        fingerprint=fingerprint,
        cost_centre=key.cost_centre,
    )


def _hmac(pepper: bytes, id: str, secret: str) -> bytes:
    return hmac.digest(pepper, f"{id}:{secret}".encode(), "sha256")


def _revoked() -> NotAuthenticated:
    return NotAuthenticated(f"This API key was revoked. {_CREATE}", code="revoked_key")


def _fingerprint(secret_hmac: bytes) -> str:
    return secret_hmac.hex()[:16]


def _rotated() -> NotAuthenticated:
    return NotAuthenticated(
        "This API key has a new secret, and the time to change over has ended. Ask whoever rotated "
        "it for the new one, or make another: flashnotify keys rotate",
        code="rotated_key",
    )


def _unknown() -> NotAuthenticated:
    return NotAuthenticated(
        "Unknown API key: it is not in the archive of this service. Create one in the folder of "
        "serve, or with its FLASHNOTIFY_DATABASE_URL: flashnotify keys create",
        code="unknown_key",
    )
