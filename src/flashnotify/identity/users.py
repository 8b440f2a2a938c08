"""Users: created, changed, deactivated, given a password. Each change is audited."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from flashnotify.archive import identity_ports
from flashnotify.archive.identity_records import AuditEntry, User, UserFilter
from flashnotify.archive.records import Page
from flashnotify.clock import Clock
from flashnotify.domain import Role
from flashnotify.errors import AlreadyTaken, Conflict, FieldError, NotFound
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.passwords import Passwords
from flashnotify.identity.throttle import Throttle
from flashnotify.one_at_a_time import OneAtATime

# Bytes of the attributes of a user, as JSON.
MAX_ATTRIBUTES = 4096
# Fields whose values the audit log has: they are not personal.
_AUDITED = ("role", "kinds", "active")
# Whatever changes one of these ends the sessions, tokens and links to reset a password so far. Such
# a link went to the email address, which may be changed because somebody else reads it.
_CREDENTIALS = ("email", "role", "kinds", "password_hash")
# Fields with an address, and the channel that sends to it.
_ADDRESSES: Mapping[str, str] = {"email": "email", "phone": "sms"}
# Passwords that are not good enough, before the next one is delayed.
_FREE_CHOICES = 10


class Users:
    """Creates and changes users, one change at a time, and tells `on_change` listeners of it."""

    def __init__(
        self,
        stored: identity_ports.Users,
        passwords: Passwords,
        audit: Audit,
        clock: Clock,
        ids: Callable[[], UUID],
    ) -> None:
        self._stored = stored
        self._passwords = passwords
        self._audit = audit
        self._clock = clock
        self._ids = ids
        self._listeners: list[Callable[[Collection[User]], None]] = []
        self._leaving: list[Callable[[str, str], Awaitable[None]]] = []
        self._changes = OneAtATime()
        self._choices = Throttle(_FREE_CHOICES, clock)

    def on_change(self, callback: Callable[[Collection[User]], None]) -> None:
        """Call `callback` with users that were changed, before anybody learns that they were."""
        self._listeners.append(callback)

    async def change_many(self, change: Callable[[], Awaitable[Collection[User]]]) -> None:
        """Make changes of many users, with their audit entries; `change` returns who was changed.

        No other change is made meanwhile. It is made to its end even if the caller is cancelled.
        """

        async def make() -> None:
            self._tell(await change())

        await self._changes.run(make())

    def on_address_left(self, callback: Callable[[str, str], Awaitable[None]]) -> None:
        """Await `callback` with the channel and the address that a user does not have any more."""
        self._leaving.append(callback)

    async def find(self, id: UUID) -> User:
        """Return a user. Raise `NotFound` if there is none."""
        user = await self._stored.find(id)
        if user is None:
            raise NotFound("No user has this id. List them: flashnotify users list")
        return user

    async def any(self) -> bool:
        """Return whether there is any user."""
        return await self._stored.any()

    async def page(self, wanted: UserFilter, *, limit: int, cursor: str | None) -> Page[User]:
        """Return a page of users, newest first."""
        return await self._stored.page(wanted, limit=limit, cursor=cursor)

    async def create(
        self, actor: Actor, fields: Mapping[str, Any], password: str | None = None
    ) -> User:
        """Create a user with `fields` of the record, who can sign in if there is a password.

        Raises:
            AlreadyTaken: another has the email address or the external id.
            InvalidValue: the password is not good enough.
        """
        now = self._clock.now()
        user = User(self._ids(), created_at=now, credentials_changed_at=now, **fields)
        if password is not None:
            user = replace(user, password_hash=await self._hash(user, password))
        return await self._changes.run(self._add(actor, user, fields))

    async def change(self, actor: Actor, id: UUID, fields: Mapping[str, Any]) -> User:
        """Change `fields` of a user; the others stay.

        Raises:
            NotFound: there is no such user.
            AlreadyTaken: as `create`.
            Conflict: there would be no active admin any more.
        """
        return await self._changes.run(self._change(actor, id, "user.changed", fields))

    async def set_active(self, actor: Actor, id: UUID, active: bool) -> User:
        """Activate or deactivate a user: only who is active can sign in. Raise as `change`."""
        action = "user.activated" if active else "user.deactivated"
        # Whom an admin activates is no longer deleted for SCIM clients, either.
        fields = {"active": True, "deleted_at": None} if active else {"active": False}
        return await self._changes.run(self._change(actor, id, action, fields))

    async def set_password(
        self, actor: Actor, id: UUID, password: str, *, unless_changed_since: int | None = None
    ) -> User:
        """Give a user another password, which ends their sessions and tokens.

        Raises:
            NotFound: there is no such user.
            InvalidValue: the password is not good enough.
            RateLimited: too many were not, one after another.
            Conflict: the user's credentials are no longer those of `unless_changed_since`.
        """
        user, key = await self.find(id), str(id)
        # Rating one is slow.
        self._choices.begin(key)
        hashed = await self._hash(user, password)
        self._choices.forget(key)
        fields = {"password_hash": hashed}
        changing = self._change(actor, id, "password.changed", fields, unless_changed_since)
        return await self._changes.run(changing)

    async def _hash(self, user: User, password: str) -> str:
        await self._passwords.check(password, (user.name, user.email, user.external_id))
        return await self._passwords.hash(password)

    async def _add(self, actor: Actor, user: User, fields: Mapping[str, Any]) -> User:
        await self._refuse_taken(user)
        details = {"fields": sorted(fields), "role": user.role, "kinds": sorted(user.kinds)}
        await self._record(actor, "user.created", user, details, self._stored.add)
        return user

    async def _change(
        self,
        actor: Actor,
        id: UUID,
        action: str,
        fields: Mapping[str, Any],
        since: int | None = None,
    ) -> User:
        before = await self.find(id)
        if since is not None and before.credentials_changed_at != since:
            raise Conflict("The credentials of this user have changed meanwhile.")
        after = replace(before, **fields)
        changed = [name for name in fields if getattr(before, name) != getattr(after, name)]
        if not changed:
            return before
        await self._refuse_taken(after)
        await self._keep_an_admin(before, after)
        after = ending_sessions(before, after, self._clock.now())
        await self._record(
            actor, action, after, details_of(changed, before, after), self._stored.change
        )
        await self.leave_addresses(before, changed)
        return after

    async def leave_addresses(self, user: User, fields: Collection[str] = _ADDRESSES) -> None:
        """Tell those who listen that a user does not have the addresses in `fields` any more."""
        for name, channel in _ADDRESSES.items():
            address = getattr(user, name)
            if name in fields and address is not None:
                for callback in self._leaving:
                    await callback(channel, address)

    async def _record(
        self,
        actor: Actor,
        action: str,
        user: User,
        details: Mapping[str, Any],
        store: Callable[[User, AuditEntry], Awaitable[None]],
    ) -> None:
        await self._audit.record(actor, action, f"user:{user.id}", details, partial(store, user))
        self._tell([user])

    def _tell(self, changed: Collection[User]) -> None:
        for listener in self._listeners:
            listener(changed)

    async def _refuse_taken(self, user: User) -> None:
        found: dict[str, User | None] = {}
        if user.email is not None:
            found["email"] = await self._stored.find_email(user.email)
        if user.external_id is not None:
            found["external_id"] = await self._stored.find_external(user.external_id)
        errors = [
            FieldError(f"/{name}", "already_taken", f"belongs to the user {other.id}")
            for name, other in found.items()
            if other is not None and other.id != user.id
        ]
        if errors:
            raise AlreadyTaken(errors)

    async def _keep_an_admin(self, before: User, after: User) -> None:
        if _is_admin(before) and not _is_admin(after) and await self._stored.admins() <= 1:
            raise Conflict(
                "This is the last active admin. Give another user the role admin first.",
                code="last_admin",
            )


def _is_admin(user: User) -> bool:
    return user.active and user.role is Role.admin


def ending_sessions(before: User, after: User, now: int) -> User:
    """Return a changed user, whose sessions and tokens end now if the change demands that."""
    if after.active and all(getattr(before, n) == getattr(after, n) for n in _CREDENTIALS):
        return after
    # Later than any before, also if the clock went back.
    return replace(after, credentials_changed_at=max(now, before.credentials_changed_at + 1))


def details_of(changed: Sequence[str], before: User, after: User) -> Mapping[str, Any]:
    """Return what the audit log has of a change: names of fields, and values if not personal."""
    details: dict[str, Any] = {"fields": sorted(changed)}
    for name in _AUDITED:
        if name in changed:
            details[name] = [_plain(getattr(user, name)) for user in (before, after)]
    return details


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value
