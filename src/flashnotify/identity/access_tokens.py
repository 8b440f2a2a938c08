"""Access tokens: looked up when first seen, and then known until they expire or are revoked."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import UUID

from flashnotify.archive.identity_ports import TokenFamilies, Users
from flashnotify.archive.identity_records import TokenFamily, User
from flashnotify.bounded_cache import BoundedCache
from flashnotify.clock import Clock
from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.principal import Principal, Proof
from flashnotify.identity.roles import user_principal
from flashnotify.identity.tokens import Claims, Tokens, TokenType, expired_token, invalid_token
from flashnotify.queue.thread_pool_queue import ThreadPoolQueue

_CACHED = 10_000
# Seconds for the import of the library that signs.
_LOADING = 30.0


class _Known(NamedTuple):
    principal: Principal
    family: UUID


def _cache() -> BoundedCache[bytes, _Known]:
    return BoundedCache(_CACHED)


@dataclass(eq=False, slots=True)
class AccessTokens:
    """Authenticates the access tokens of users and of API keys.

    Users, keys and families change only through this process, which tells of each change: until
    then, a token that was authenticated costs no look-up.
    """

    tokens: Tokens
    families: TokenFamilies
    users: Users
    keys: ApiKeys
    clock: Clock
    threads: ThreadPoolQueue
    # By the digest of a token.
    _known: BoundedCache[bytes, _Known] = field(default_factory=_cache, init=False)
    # The number of changes so far: a look-up during which there was one is repeated.
    _changes: int = field(default=0, init=False)

    async def loaded(self) -> Tokens:
        """Return what signs and verifies tokens, once it can."""
        if not self.tokens.loaded:
            await self.threads.run(self.tokens.load, within=_LOADING)
        return self.tokens

    async def authenticate(self, token: str) -> Principal:
        """Return the principal of an access token, with those of its scopes that it still has.

        Raises:
            NotAuthenticated: it is not valid, has expired or was revoked, or its user or key was.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is None or not self.keys.is_valid(known.principal):
            known = await self._look_up(token, digest)
            if not self.keys.is_valid(known.principal):
                raise expired_token()
        return known.principal

    def is_valid(self, principal: Principal) -> bool:
        """Return whether the token of an authenticated principal is still valid.

        One that was forgotten, because there are too many others, is not.
        """
        return principal.digest in self._known and self.keys.is_valid(principal)

    def forget_users(self, users: Collection[User]) -> None:
        """Look up the tokens of users again, who have changed."""
        ids = {f"user:{user.id}" for user in users}
        self._forget({digest for digest, known in self._known.items() if known.principal.id in ids})

    def forget_family(self, id: UUID) -> None:
        """Look up the tokens of a family again, which has changed."""
        self._forget({digest for digest, known in self._known.items() if known.family == id})

    def _forget(self, digests: set[bytes]) -> None:
        self._changes += 1
        for digest in digests:
            del self._known[digest]

    async def _look_up(self, token: str, digest: bytes) -> _Known:
        claims = (await self.loaded()).verify(token, TokenType.access)
        while True:
            changes = self._changes
            holder = await self.holder(claims, await self.families.find(claims.sid))
            if changes == self._changes:
                break
        scopes = frozenset(filter(holder.allows, (claims.scope or "").split()))
        expires_at = min(claims.exp * 1000, holder.expires_at or claims.exp * 1000)
        principal = replace(
            holder, scopes=scopes, expires_at=expires_at, proof=Proof.token, digest=digest
        )
        known = self._known[digest] = _Known(principal, claims.sid)
        return known

    async def holder(self, claims: Claims, family: TokenFamily | None) -> Principal:
        """Return what the user or API key of a family may do now, who holds one of its tokens.

        Raises:
            NotAuthenticated: the family, the user or the key was revoked, or has expired.
        """
        if family is None or family.subject != claims.sub or family.revoked_at is not None:
            raise invalid_token()
        if self.clock.now() >= family.expires_at:
            raise expired_token()
        kind, _, id = family.subject.partition(":")
        if kind == "key":
            return await self.keys.find(id, claims.secret)
        user = await self.users.find(UUID(id))
        if user is None or not user.active or family.created_at < user.credentials_changed_at:
            raise invalid_token()
        return user_principal(user)
