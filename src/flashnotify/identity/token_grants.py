"""Access and refresh tokens, issued, refreshed and revoked.

The tokens of one sign-in are a family. Its refresh tokens have generations: to use one makes the
next (RFC 9700, section 4.14.2). One that is used again was stolen, or its successor was: its family
is revoked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from flashnotify.archive.identity_records import AuditEntry, TokenFamily, User
from flashnotify.errors import GrantRefused, NotAuthenticated
from flashnotify.identity.access_tokens import AccessTokens
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.credentials import require_unchanged
from flashnotify.identity.principal import Principal
from flashnotify.identity.sign_in import ANONYMOUS
from flashnotify.identity.tokens import LIFETIMES, Claims, TokenType
from flashnotify.ids import UUIDv7
from flashnotify.keyed_locks import KeyedLocks

# Times are in milliseconds. A family ends then, however often it is refreshed.
FAMILY_LIFETIME = 30 * 24 * 3_600_000
# A client whose answer was lost asks again within this time, and gets tokens of the generation that
# was lost. If somebody else has used the token, the second use of that generation shows it.
GRACE = 10_000

Scopes = frozenset[str]


class Issued(NamedTuple):
    """New tokens: an access token for `scopes`, valid for `expires_in` seconds, and its successor.

    Without a refresh token, the client signs in again.
    """

    access_token: str
    refresh_token: str | None
    expires_in: int
    scopes: Scopes


@dataclass(eq=False, slots=True)
class TokenGrants:
    """Issues, refreshes and revokes tokens. `address` is that of the client."""

    access: AccessTokens
    audit: Audit
    ids: UUIDv7
    _turns: KeyedLocks[UUID] = field(default_factory=KeyedLocks, init=False)

    async def issue(
        self,
        principal: Principal,
        address: str | None,
        grant: str,
        wanted: Scopes | None,
        *,
        user: User | None = None,
        refreshable: bool = True,
    ) -> Issued:
        """Begin a family for a principal who has just signed in, with the scopes wanted, or all.

        It begins after the last change of a user's credentials, also if the clock went back.
        Raise `GrantRefused` if the principal lacks a scope, and `NotAuthenticated` if the
        credentials of the `user` have changed since they proved them.
        """
        scopes = _granted(principal, principal.scopes, wanted)
        now = self.access.clock.now()
        lifetime = FAMILY_LIFETIME if refreshable else LIFETIMES[TokenType.access] * 1000
        subject = principal.id if principal.id.startswith("user:") else f"key:{principal.id}"
        began = now if user is None else max(now, user.credentials_changed_at)
        family = TokenFamily(self.ids(), subject, 1, began, now, now + lifetime, address)
        issued = await self._signed(family, scopes, wanted, principal.fingerprint)
        details = {"grant": grant, "scopes": sorted(scopes)}

        async def write(entry: AuditEntry) -> None:
            if user is not None:
                await require_unchanged(self.access.users, user)
            await self.access.families.add(family, entry)

        await self._record(family, address, "token.issued", details, write)
        return issued if refreshable else issued._replace(refresh_token=None)

    async def refresh(self, token: str, address: str | None, wanted: Scopes | None) -> Issued:
        """Return new tokens for a refresh token, which is used up.

        Raises:
            GrantRefused: it is not valid, or lacks a scope that is wanted. Or it was used before,
                more than seconds ago; then its family is revoked.
        """
        try:
            claims = (await self.access.loaded()).verify(token, TokenType.refresh)
        except NotAuthenticated as error:
            raise GrantRefused(str(error)) from None
        async with self._turns[claims.sid]:
            family = await self.access.families.find(claims.sid)
            try:
                holder = await self.access.holder(claims, family)
            except NotAuthenticated as error:
                raise await self._refused(claims, address, error) from None
            assert family is not None  # or there would be no holder
            return await self._next(family, claims, holder, address, wanted)

    async def _next(
        self,
        family: TokenFamily,
        claims: Claims,
        holder: Principal,
        address: str | None,
        wanted: Scopes | None,
    ) -> Issued:
        first = None if claims.scope is None else frozenset(claims.scope.split())
        kept = holder.scopes if first is None else frozenset(filter(holder.allows, first))
        scopes = _granted(replace(holder, scopes=kept), kept, wanted)
        now, write = self.access.clock.now(), None
        if claims.gen == family.generation:
            family = replace(family, generation=claims.gen + 1, used_at=now)
            advance = self.access.families.advance
            write = partial(advance, family.id, family.generation, now)
        elif claims.gen != family.generation - 1 or now > family.used_at + GRACE:
            raise await self._reused(family, claims, address)
        issued = await self._signed(family, scopes, first)
        details = {"grant": "refresh_token", "scopes": sorted(scopes)}
        await self._record(family, address, "token.issued", details, write)
        return issued

    async def _refused(
        self, claims: Claims, address: str | None, error: NotAuthenticated
    ) -> GrantRefused:
        actor = Actor(claims.sub.removeprefix("key:"), address)
        details = {"grant": "refresh_token", "reason": error.code}
        await self.audit.record_refusal(actor, "token.refused", f"tokens:{claims.sid}", details)
        return GrantRefused(str(error))

    async def _reused(
        self, family: TokenFamily, claims: Claims, address: str | None
    ) -> GrantRefused:
        details = {"generation": claims.gen, "current": family.generation}
        await self._revoke(family, address, "token.reused", details)
        return GrantRefused(
            "This refresh token was used before. All tokens of this sign-in are revoked now, since "
            "somebody else may have them. Sign in again."
        )

    async def refuse(self, address: str | None, error: NotAuthenticated) -> None:
        """Note that no token was issued for an API key, if that was valid once."""
        if error.code in ("expired_key", "revoked_key", "rotated_key"):
            details = {"grant": "client_credentials", "reason": error.code}
            actor = Actor(ANONYMOUS, address)
            await self.audit.record_refusal(actor, "token.refused", None, details)

    async def revoke(self, token: str, address: str | None) -> None:
        """Revoke the family of an access or refresh token, effective at once.

        Anything else is ignored: it is not valid anyway (RFC 7009, section 2.2).
        """
        tokens = await self.access.loaded()
        for type in TokenType:
            try:
                claims = tokens.verify(token, type)
            except NotAuthenticated:
                continue
            family = await self.access.families.find(claims.sid)
            if family is not None and family.revoked_at is None:
                await self._revoke(family, address, "token.revoked", {})

    async def _revoke(
        self, family: TokenFamily, address: str | None, action: str, details: Mapping[str, Any]
    ) -> None:
        async def write(entry: AuditEntry) -> None:
            await self.access.families.revoke(family.id, self.access.clock.now(), entry)
            # Here, so that it also happens if the caller is cancelled meanwhile.
            self.access.forget_family(family.id)

        await self._record(family, address, action, details, write)

    async def _record(
        self, family: TokenFamily, address: str | None, action: str, details: Any, write: Any
    ) -> None:
        actor = Actor(family.subject.removeprefix("key:"), address)
        await self.audit.record(actor, action, f"tokens:{family.id}", details, write)

    async def _signed(
        self,
        family: TokenFamily,
        scopes: Scopes,
        first: Scopes | None,
        secret: str | None = None,
    ) -> Issued:
        """Return an access token for `scopes`, and the refresh token of the generation.

        That one is for the scopes that were wanted at `first`. The access token ends with the
        `secret` of the API key that got it, which is named by its fingerprint.
        """
        tokens, now = await self.access.loaded(), self.access.clock.now() // 1000
        ends = {type: min(now + LIFETIMES[type], family.expires_at // 1000) for type in LIFETIMES}
        shared = {"sub": family.subject, "sid": family.id, "iat": now}
        access, refresh = (
            tokens.sign(type, jti=str(self.ids()), exp=ends[type], **shared, **own)
            for type, own in (
                (TokenType.access, {"scope": " ".join(sorted(scopes)), "secret": secret}),
                (
                    TokenType.refresh,
                    {"gen": family.generation, "scope": first and " ".join(sorted(first))},
                ),
            )
        )
        return Issued(access, refresh, ends[TokenType.access] - now, scopes)


def _granted(principal: Principal, had: Scopes, wanted: Scopes | None) -> Scopes:
    """Return the scopes of a new token: those wanted, or all that the principal `had`."""
    if wanted is None:
        return had
    lacking = sorted(scope for scope in wanted if not principal.allows(scope))
    if lacking:
        raise GrantRefused(
            f"You do not have the scope {lacking[0]!r}. Ask for scopes that you have, or leave "
            "`scope` out for all of them.",
            code="invalid_scope",
        )
    return wanted
