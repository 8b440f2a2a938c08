"""Who may use a service, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flashnotify.identity.access_tokens import AccessTokens
from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.audit import Audit
from flashnotify.identity.password_reset import PasswordReset
from flashnotify.identity.passwords import Passwords
from flashnotify.identity.sessions import Sessions
from flashnotify.identity.sign_in import SignIn
from flashnotify.identity.token_grants import TokenGrants
from flashnotify.identity.tokens import Tokens
from flashnotify.identity.users import Users

if TYPE_CHECKING:
    from flashnotify.app.service import Service


@dataclass(frozen=True, slots=True)
class Identity:
    """The parts of a service that know who may use it."""

    audit: Audit
    keys: ApiKeys
    users: Users
    passwords: Passwords
    sign_in: SignIn
    reset: PasswordReset
    tokens: AccessTokens
    grants: TokenGrants
    sessions: Sessions


def identity_of(service: Service) -> Identity:
    """Return the parts of a service that know who may use it. May create its secret key."""
    archive, clock, config = service.archive, service.clock, service.config
    secret, threads = service.secret, service.threads
    audit, passwords = Audit(archive.audit, clock), Passwords(service.hashing)
    keys = ApiKeys(archive.api_keys, audit, clock, secret.key, secret.previous)
    users = Users(archive.users, passwords, audit, clock, service.ids)
    signing = Tokens([secret.key, *secret.previous], config.public_url, clock)
    stored = (archive.token_families, archive.users)
    tokens = AccessTokens(signing, *stored, keys, clock, threads)
    users.on_change(tokens.forget_user)
    sessions = Sessions(archive.sessions, archive.users, audit, clock, service.ids)
    users.on_change(sessions.user_changed)
    page = config.public_url.rstrip("/") + "/reset-password"
    mail = service.direct_email
    return Identity(
        audit=audit,
        keys=keys,
        users=users,
        passwords=passwords,
        sign_in=SignIn(archive.users, passwords, audit, clock),
        reset=PasswordReset(
            archive.users, users, mail, audit, clock, secret.key, page, config.locale
        ),
        tokens=tokens,
        grants=TokenGrants(tokens, audit, service.ids),
        sessions=sessions,
    )
