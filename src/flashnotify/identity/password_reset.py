"""A new password for those who forgot theirs, by a link that is sent to them and works once."""

import asyncio
import hashlib
from typing import Protocol
from uuid import UUID

import structlog
from itsdangerous import BadData, URLSafeSerializer

from flashnotify.archive import identity_ports
from flashnotify.archive.identity_records import User
from flashnotify.clock import Clock
from flashnotify.domain import Rendering
from flashnotify.errors import (
    Conflict,
    FieldError,
    InvalidInput,
    RateLimited,
    Unavailable,
    stack_of,
)
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.reset_email import reset_email
from flashnotify.identity.sign_in import ANONYMOUS
from flashnotify.identity.throttle import Throttle
from flashnotify.identity.users import Users
from flashnotify.networks import network_of

log = structlog.get_logger(__name__)

# Minutes for which a link works.
LINK_MINUTES = 30
# Requests without a delay.
_FREE_OF_ADDRESS, _FREE_OF_NETWORK = 3, 20
# Seconds: the longest delay of a network, which may be that of a campus.
_LONGEST_OF_NETWORK = 5
# Links that are being sent.
_MOST = 100


class DirectMessages(Protocol):
    """Sends a person a message that nobody else may read."""

    async def send(self, channel_name: str, to: str, rendering: Rendering) -> bool:
        """Send it on a channel, and return whether it was sent. Log it if that fails."""


class PasswordReset:
    """Sends links with which people set a new password.

    A link is bound to the credentials that it replaces, so that it works once. `page` is the URL of
    the form, which gets the token as a fragment: it reaches no server's log and no other site.
    """

    def __init__(
        self,
        stored: identity_ports.Users,
        users: Users,
        messages: DirectMessages,
        audit: Audit,
        clock: Clock,
        key: bytes,
        page: str,
        locale: str,
    ) -> None:
        self._stored = stored
        self._users = users
        self._messages = messages
        self._audit = audit
        self._clock = clock
        self._page = page
        self._locale = locale
        signing = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        self._tokens = URLSafeSerializer(key, salt="password reset", signer_kwargs=signing)
        self._addresses = Throttle(_FREE_OF_ADDRESS, clock)
        self._networks = Throttle(_FREE_OF_NETWORK, clock, _LONGEST_OF_NETWORK)
        self._sending: set[asyncio.Task[None]] = set()

    def request(self, email: str, address: str | None) -> None:
        """Send a link to the active user with this email address, if there is one, by and by.

        The caller learns nothing of that, not even by the time it takes.

        Raises:
            RateLimited: too many were asked for, for this email or from the network of `address`.
            Unavailable: too many are being sent.
        """
        if len(self._sending) >= _MOST:
            raise Unavailable("Too many links are being sent.", retry_after=5)
        network = network_of(address)
        self._networks.begin(network)
        try:
            self._addresses.begin(hashlib.sha256(email.casefold().encode()).hexdigest())
        except RateLimited:
            self._networks.undo(network)
            raise
        task = asyncio.create_task(self._send(email, Actor(ANONYMOUS, address)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def confirm(self, token: str, password: str, address: str | None) -> User:
        """Set the new password of the user who got the link with `token`.

        Raises:
            InvalidInput: the token is forged, expired or used.
            InvalidValue: the password is not good enough. The link still works.
            RateLimited: too many passwords were not.
        """
        user_id, since, expires_at = self._read(token)
        user = await self._stored.find(user_id)
        expired = self._clock.now() >= expires_at
        if expired or user is None or not user.active or user.credentials_changed_at != since:
            raise _invalid()
        actor = Actor(f"user:{user.id}", address)
        try:
            return await self._users.set_password(
                actor, user.id, password, unless_changed_since=since
            )
        except Conflict:
            raise _invalid() from None

    async def close(self) -> None:
        """Give up the links that are not sent yet."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _send(self, email: str, actor: Actor) -> None:
        try:
            user = await self._stored.find_email(email)
            if user is None or user.email is None or not user.active:
                return
            await self._audit.record(actor, "password.reset_requested", f"user:{user.id}")
            link = f"{self._page}#{self._token(user)}"
            locale = user.locale or self._locale
            message = reset_email(user.name, link, LINK_MINUTES, locale)
            await self._messages.send("email", user.email, message)
        except Exception as error:  # noqa: BLE001  # nobody waits for this task
            log.error("password_reset.failed", error=type(error).__name__, stack=stack_of(error))

    def _token(self, user: User) -> str:
        expires_at = self._clock.now() + LINK_MINUTES * 60_000
        token: str | bytes = self._tokens.dumps(
            [user.id.hex, user.credentials_changed_at, expires_at]
        )
        return str(token)

    def _read(self, token: str) -> tuple[UUID, int, int]:
        try:
            id, since, expires_at = self._tokens.loads(token)
        except (BadData, ValueError):
            raise _invalid() from None
        return UUID(id), since, expires_at


def _invalid() -> InvalidInput:
    detail = "this link is not valid any more; ask for a new one"
    return InvalidInput([FieldError("/token", "invalid_token", detail)])
