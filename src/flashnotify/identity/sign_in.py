"""Sign-in with a password: slowed down for guessers, and silent about who exists."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from string import ascii_lowercase, ascii_uppercase
from typing import NoReturn

from flashnotify.archive.identity_ports import Users
from flashnotify.archive.identity_records import User
from flashnotify.bounded_cache import BoundedCache
from flashnotify.clock import Clock
from flashnotify.domain import Priority
from flashnotify.errors import NotAuthenticated, NotPermitted, RateLimited, Unavailable
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.passwords import Passwords
from flashnotify.identity.places import Places
from flashnotify.identity.throttle import Throttle
from flashnotify.networks import network_of

# Who acts before anybody is authenticated.
ANONYMOUS = "anonymous"
# Attempts without a delay. A campus may reach us from one network.
_FREE_OF_ACCOUNT, _FREE_OF_NETWORK = 5, 50
# SQLite knows the case of no other letters.
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
# Logins and, for each, networks that are remembered.
_MAX_LOGINS, _MAX_NETWORKS = 10_000, 5
# Strangers that wait for a thread, of which they get one at a time: for the last one, that takes
# less time than it may.
_STRANGERS = 100


class SignIn:
    """Finds the user of a login and a password."""

    def __init__(
        self,
        users: Users,
        passwords: Passwords,
        audit: Audit,
        clock: Clock,
        enabled: bool = True,
    ) -> None:
        self._enabled = enabled
        self._users = users
        self._passwords = passwords
        self._audit = audit
        self._clock = clock
        self._accounts = Throttle(_FREE_OF_ACCOUNT, clock)
        self._networks = Throttle(_FREE_OF_NETWORK, clock)
        # The networks where a login has signed in. There it is delayed by its own failures, and
        # waits for no stranger, so that nobody who fails elsewhere keeps it out.
        self._familiar: BoundedCache[str, BoundedCache[str, None]] = BoundedCache(_MAX_LOGINS)
        self._strangers = Places(_STRANGERS)

    async def with_password(self, login: str, password: str, address: str | None) -> User:
        """Return the user of a `login`, which is an email address or an external id.

        Raises:
            NotPermitted: nobody may sign in with a password.
            NotAuthenticated: no active user has this login and password. An unknown login takes as
                long as a wrong password.
            RateLimited: too many attempts failed, for this login or from the network of `address`.
            Unavailable: too many passwords wait to be verified.
        """
        if not self._enabled:
            raise NotPermitted(
                "Passwords are switched off here. Sign in at the campus, or use an API key.",
                code="password_sign_in_off",
            )
        network = network_of(address)
        if self._is_familiar(login, network):
            return await self._attempt(await self._find(login), login, password, address)
        # Before anything is read: refusing many costs little.
        with self._strangers.held(network):
            user = await self._find(login)
            return await self._attempt(user, login, password, address, Priority.medium)

    async def confirm(self, user: User, password: str, address: str | None) -> User:
        """Return a user who is signed in and knows their password. Raise as `with_password`."""
        return await self._attempt(user, str(user.id), password, address)

    async def _attempt(
        self,
        user: User | None,
        login: str,
        password: str,
        address: str | None,
        lane: Priority = Priority.critical,
    ) -> User:
        network = network_of(address)
        account = self._account(login, user, network)
        # Who has signed in there is not kept out by others who fail there.
        place = account if self._is_familiar(login, network) else network
        with self._throttled(account, place):
            found = await self._verified(user, password, lane)
        if found is None:
            await self._refuse(user, address)
        self._accounts.forget(account)
        self._networks.undo(place)
        self._familiar.setdefault(_alike(login), BoundedCache(_MAX_NETWORKS))[network] = None
        await self._users.record_seen(found.id, self._clock.now())
        return found

    @contextmanager
    def _throttled(self, account: str, place: str) -> Iterator[None]:
        """Count an attempt. Raise `RateLimited` before its time has come."""
        self._networks.begin(place)
        try:
            self._accounts.begin(account)
        except RateLimited:
            self._networks.undo(place)
            raise
        try:
            yield
        except Unavailable:
            self._accounts.undo(account)
            self._networks.undo(place)
            raise

    def _is_familiar(self, login: str, network: str) -> bool:
        return network in self._familiar.get(_alike(login), ())

    async def _find(self, login: str) -> User | None:
        # No database takes every character.
        if not login.isprintable():
            return None
        # Both, so that the time does not tell which of them exists.
        by_email, by_id = await asyncio.gather(
            self._users.find_email(login), self._users.find_external(login)
        )
        return by_email or by_id

    def _account(self, login: str, user: User | None, network: str) -> str:
        """Return the key of an account's failures."""
        if self._is_familiar(login, network):
            return f"{_alike(login)} {network}"
        return _alike(login) if user is None else str(user.id)

    async def _verified(self, user: User | None, password: str, lane: Priority) -> User | None:
        """Return the user as stored now, if the password is right."""
        stored = user.password_hash if user is not None else None
        verified = await self._passwords.verify(password, stored, lane)
        if user is None or stored is None or not verified.right:
            return None
        # Verifying takes a while: a password that was changed meanwhile is no longer right.
        now = await self._users.find(user.id)
        if now is None or not now.active or now.password_hash != stored:
            return None
        if verified.better_hash is not None:
            await self._users.rehash(user.id, stored, verified.better_hash)
        return now

    async def _refuse(self, user: User | None, address: str | None) -> NoReturn:
        reason, target = "unknown_login", None
        if user is not None:
            reason = "wrong_password" if user.active else "inactive"
            target = f"user:{user.id}"
        actor = Actor(ANONYMOUS, address)
        await self._audit.record(actor, "session.refused", target, {"reason": reason})
        raise NotAuthenticated(
            "The login or the password is wrong.", code="wrong_login_or_password"
        )


def _alike(login: str) -> str:
    """Return the same for all that the archive would hold for the same login.

    Other variants of one have failures of their own, and that they do must not tell that it exists.
    """
    alike = login.translate(_LOWER) if "@" in login else login
    return hashlib.sha256(alike.encode("utf-8", "surrogatepass")).hexdigest()
