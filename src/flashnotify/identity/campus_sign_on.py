"""Sign-in at the campus: who of our users it is that the campus's provider names."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from itsdangerous import BadData, URLSafeTimedSerializer

from flashnotify.archive import identity_ports
from flashnotify.archive.identity_records import User
from flashnotify.domain import Role
from flashnotify.errors import Conflict, InvalidValue, NotPermitted
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.openid_provider import OpenIdProvider
from flashnotify.identity.sign_in import ANONYMOUS
from flashnotify.identity.users import Users
from flashnotify.meta.descriptors import Email, Text

# Seconds that signing in at the provider may take.
_MAX_SECONDS = 600
# Of people whom no claim gives a role: they see what they sent, and may send nothing.
_LEAST = Role.sender
_HIGHEST_FIRST = (Role.admin, Role.viewer, Role.sender, Role.member)
_SUBJECT, _EMAIL = Text(max_length=255), Email()


class Started(NamedTuple):
    """A sign-on under way: where it goes on, and the cookie that binds it to the browser."""

    url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class CampusSignOn:
    """Signs people in by what the campus says. `roles` are those of a claim's values."""

    provider: OpenIdProvider
    callback: str
    stored: identity_ports.Users
    users: Users
    audit: Audit
    key: bytes
    roles: Mapping[tuple[str, str], Role]
    create_users: bool

    async def begin(self, wanted: str) -> Started:
        """Begin a sign-on that leads to the path `wanted`. Raise `Unavailable` as the provider."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url = await self.provider.sign_in_url(self.callback, state, nonce, verifier)
        return Started(url, self._cookies.dumps([state, nonce, verifier, wanted]))

    async def finish(
        self, answer: Mapping[str, str], cookie: str | None, address: str | None
    ) -> tuple[User, str]:
        """Return who has signed in, and the path that was wanted.

        Raises:
            NotPermitted: the answer is not one to the sign-on of this browser, or is not valid, or
                this service does not know the person.
            Unavailable: the provider does not answer as it should.
        """
        try:
            state, nonce, verifier, wanted = self._cookies.loads(cookie or "", _MAX_SECONDS)
        except (BadData, ValueError):
            await self._refuse(address, "outdated")
        given = answer.get("state", "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, state.encode()):
            await self._refuse(address, "wrong_state")
        if answer.get("iss", self.provider.issuer) != self.provider.issuer:  # RFC 9207
            await self._refuse(address, "wrong_issuer")
        if "code" not in answer:
            await self._refuse(address, "refused_by_provider")
        try:
            claims = await self.provider.claims(answer["code"], self.callback, nonce, verifier)
        except NotPermitted:
            await self._refuse(address, "invalid_answer")
        user = await self._user(claims, address)
        await self.stored.record_seen(user.id, self.provider.clock.now())
        return user, str(wanted)

    @property
    def _cookies(self) -> URLSafeTimedSerializer:
        signing = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        return URLSafeTimedSerializer(self.key, salt="campus sign-on", signer_kwargs=signing)

    async def _user(self, claims: Mapping[str, Any], address: str | None) -> User:
        subject = await self._valid(_SUBJECT, claims["sub"], "invalid_subject", address)
        email = claims.get("email") if claims.get("email_verified") is True else None
        if isinstance(email, str):
            email = await self._valid(_EMAIL, email, "invalid_email", address)
        else:
            email = None
        user = await self.stored.find_external(subject)
        if user is None and email is not None:
            user = await self.stored.find_email(email)
            if user is not None and user.external_id is not None:
                await self._refuse(address, "other_person", user)
        if user is not None and not user.active:
            await self._refuse(address, "inactive", user)
        if user is None and not self.create_users:
            await self._refuse(address, "unknown_user")
        role = self._role(claims)
        if user is None:
            actor = Actor(ANONYMOUS, address)
            fields = {"email": email, "external_id": subject, "role": role or _LEAST}
            return await self.users.create(actor, {"name": _name(claims), **fields})
        changed = {} if user.external_id == subject else {"external_id": subject}
        return await self._changed(user, changed, role, address)

    async def _valid(
        self, descriptor: Text | Email, value: str, reason: str, address: str | None
    ) -> str:
        """Return a value that the archive takes, or refuse the sign-on for a `reason`."""
        try:
            return str(descriptor.validate(value))
        except InvalidValue:
            await self._refuse(address, reason)

    async def _changed(
        self, user: User, fields: Mapping[str, Any], role: Role | None, address: str | None
    ) -> User:
        """Return the user with changed fields, and the role that the campus gives them.

        A role that it could give, and no longer does, is taken away.
        """
        if role is None:
            role = _LEAST if user.role in self.roles.values() else user.role
        actor = Actor(f"user:{user.id}", address)
        try:
            return await self.users.change(actor, user.id, {**fields, "role": role})
        except Conflict:
            # The last admin stays one.
            return await self.users.change(actor, user.id, fields)

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        """Return the highest role that the claims give, if they give any."""
        found = set()
        for (claim, value), role in self.roles.items():
            given = claims.get(claim)
            if given == value or (isinstance(given, list) and value in given):
                found.add(role)
        return next((role for role in _HIGHEST_FIRST if role in found), None)

    async def _refuse(self, address: str | None, reason: str, user: User | None = None) -> NoReturn:
        target = None if user is None else f"user:{user.id}"
        actor = Actor(ANONYMOUS, address)
        await self.audit.record_refusal(actor, "session.refused", target, {"reason": reason})
        known = reason not in ("unknown_user", "other_person", "inactive")
        code = "sign_on_refused" if known else "unknown_at_campus"
        raise NotPermitted("The campus sign-on did not succeed.", code=code)


def _name(claims: Mapping[str, Any]) -> str:
    """Return the name of a person as far as it can be shown, or else their subject."""
    given = str(claims.get("name") or claims.get("preferred_username") or "")
    return "".join(filter(str.isprintable, given)).strip()[:200] or str(claims["sub"])[:200]
