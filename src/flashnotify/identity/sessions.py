"""Sessions of browsers: an opaque cookie, of which only a hash is stored."""

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from flashnotify.archive.identity_ports import Sessions as StoredSessions
from flashnotify.archive.identity_ports import Users
from flashnotify.archive.identity_records import AuditEntry, Session, User
from flashnotify.bounded_cache import BoundedCache
from flashnotify.clock import Clock
from flashnotify.errors import NotAuthenticated
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.credentials import require_unchanged
from flashnotify.identity.principal import Principal, Proof
from flashnotify.identity.roles import user_principal

# Milliseconds without a request after which a session is over, and after which any is.
SESSION_IDLE = 8 * 3_600_000
SESSION_LIFETIME = 7 * 24 * 3_600_000
# Milliseconds between updates of `seen_at`.
_SEEN_RESOLUTION = 60_000
_CACHED = 10_000
# Sessions of one user: the oldest ends when there would be more.
_MOST = 50
_MAX_USER_AGENT = 300
_BYTES = 32
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(slots=True)
class SignedIn:
    """A browser that is signed in: its session, when it was last seen, and as whom."""

    session: Session
    user: User
    principal: Principal
    seen_at: int


class Sessions:
    """Begins, authenticates, lists and ends sessions."""

    def __init__(
        self,
        stored: StoredSessions,
        users: Users,
        audit: Audit,
        clock: Clock,
        ids: Callable[[], UUID],
    ) -> None:
        self._stored = stored
        self._users = users
        self._audit = audit
        self._clock = clock
        self._ids = ids
        # By the digest of the cookie. Sessions and users change only through this process, so an
        # entry stays valid until `_forget`.
        self._known: BoundedCache[bytes, SignedIn] = BoundedCache(_CACHED)
        # How often something was forgotten: what was read before that may be outdated.
        self._forgotten = 0

    async def begin(
        self, user: User, address: str | None, user_agent: str | None, replaced: str | None = None
    ) -> str:
        """Return the cookie of a new session, which replaces that of the cookie `replaced`.

        Raise `NotAuthenticated` if the credentials of the user have changed since they proved them.
        """
        cookie = secrets.token_urlsafe(_BYTES)
        # The clock may have been set back since.
        now = max(self._clock.now(), user.credentials_changed_at)
        agent = user_agent and user_agent[:_MAX_USER_AGENT]
        session = Session(self._ids(), _digest(cookie), user.id, now, now, address, agent)
        old = await self._stored.find(_digest(replaced)) if replaced else None
        ended = [] if old is None else [old.id]
        ended += [each.id for each in (await self._stored.of_user(user.id))[_MOST - 1 :]]

        async def write(entry: AuditEntry) -> None:
            await require_unchanged(self._users, user)
            await self._stored.add(session, ended, entry)
            self._forget(lambda known: known.session.id in ended)

        details = {"replaced": list(map(str, ended))} if ended else {}
        actor, target = Actor(f"user:{user.id}", address), f"session:{session.id}"
        await self._audit.record(actor, "session.begun", target, details, write)
        return cookie

    async def authenticate(self, cookie: str) -> SignedIn:
        """Return who is signed in with a cookie. Raise `NotAuthenticated` if nobody is."""
        digest, now = _digest(cookie), self._clock.now()
        known = self._known.get(digest) or await self._look_up(cookie, digest)
        if known is None or self._is_over(known.session, known.user, known.seen_at):
            raise NotAuthenticated("This session has ended. Sign in again.", code="session_ended")
        known.seen_at = now
        if now - known.session.seen_at >= _SEEN_RESOLUTION:
            known.session = replace(known.session, seen_at=now)
            # Not awaited: a request never fails because of this write.
            self._stored.record_seen(known.session.id, now)
        return known

    def is_valid(self, signed_in: SignedIn) -> bool:
        """Return whether a session goes on. After a long pause, authenticating it again tells."""
        known = self._known.get(signed_in.session.token_hash)
        return known is signed_in and not self._is_over(known.session, known.user, known.seen_at)

    async def of_user(self, user_id: UUID) -> Sequence[Session]:
        """Return the sessions of a user that go on, newest first."""
        user = await self._users.find(user_id)
        if user is None:
            return []
        found = await self._stored.of_user(user_id)
        return [each for each in found if not self._is_over(each, user, each.seen_at)]

    async def end(self, actor: Actor, user_id: UUID, ids: Collection[UUID]) -> None:
        """End sessions of a user, effective at once."""
        ended = list(ids)

        async def write(entry: AuditEntry) -> None:
            await self._stored.remove(ended, entry)
            self._forget(lambda known: known.session.id in ended)

        details = {"sessions": list(map(str, ended))}
        await self._audit.record(actor, "session.ended", f"user:{user_id}", details, write)

    def forget_users(self, users: Collection[User]) -> None:
        """Forget what is known of users: they may have lost a role, or all of their sessions."""
        ids = {user.id for user in users}
        self._forget(lambda known: known.user.id in ids)

    async def _look_up(self, cookie: str, digest: bytes) -> SignedIn | None:
        if not _COOKIE.fullmatch(cookie):
            return None
        while True:
            forgotten = self._forgotten
            session = await self._stored.find(digest)
            user = None if session is None else await self._users.find(session.user_id)
            if forgotten == self._forgotten:
                break
        if session is None or user is None:
            return None
        # Another request may have looked it up meanwhile.
        ends = session.created_at + SESSION_LIFETIME
        principal = replace(user_principal(user, ends), proof=Proof.session)
        return self._known.setdefault(digest, SignedIn(session, user, principal, session.seen_at))

    def _is_over(self, session: Session, user: User, seen_at: int) -> bool:
        now = self._clock.now()
        expired = now >= min(seen_at + SESSION_IDLE, session.created_at + SESSION_LIFETIME)
        return expired or not user.active or session.created_at < user.credentials_changed_at

    def _forget(self, which: Callable[[SignedIn], bool]) -> None:
        self._forgotten += 1
        for digest in [digest for digest, known in self._known.items() if which(known)]:
            del self._known[digest]


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).digest()
