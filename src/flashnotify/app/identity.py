"""Who may use a service, and what proves it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flashnotify.channels.net.http_connection_pool import Connections
from flashnotify.errors import SettingsError
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
    from flashnotify.identity.campus_sign_on import CampusSignOn

_PROVIDER_CONNECTIONS = 8
# Seconds that an answer of the campus's provider may take.
_PROVIDER_TIMEOUT = 10.0


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
    campus: CampusSignOn | None
    sessions: Sessions

    async def close(self) -> None:
        """Give up what is under way."""
        await self.reset.close()
        if self.campus is not None:
            await self.campus.provider.connections.close()


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
    users.on_change(tokens.forget_users)
    sessions = Sessions(archive.sessions, archive.users, audit, clock, service.ids)
    users.on_change(sessions.forget_users)
    users.on_address_left(service.refused.release)
    page = config.public_url.rstrip("/") + "/reset-password"
    mail = service.direct_messages
    return Identity(
        audit=audit,
        keys=keys,
        users=users,
        passwords=passwords,
        sign_in=SignIn(archive.users, passwords, audit, clock, config.password_sign_in),
        reset=PasswordReset(
            archive.users, users, mail, audit, clock, secret.key, page, config.locale
        ),
        tokens=tokens,
        grants=TokenGrants(tokens, audit, service.ids),
        campus=_campus_sign_on(service, users, audit),
        sessions=sessions,
    )


def _campus_sign_on(service: Service, users: Users, audit: Audit) -> CampusSignOn | None:
    """Return the sign-on at the campus's provider, if the settings name one."""
    config = service.config
    if config.oidc_issuer is None:
        return None
    if config.oidc_client_secret is None:
        raise SettingsError(
            "FLASHNOTIFY_OIDC_CLIENT_SECRET: is missing, and FLASHNOTIFY_OIDC_ISSUER needs it."
        )
    # What only this needs: Authlib takes long to import.
    from flashnotify.identity import campus_sign_on, openid_provider  # noqa: PLC0415

    provider = openid_provider.OpenIdProvider(
        config.oidc_issuer,
        config.oidc_client_id,
        config.oidc_client_secret.get_secret_value(),
        Connections(_PROVIDER_CONNECTIONS, _PROVIDER_TIMEOUT, ssl.create_default_context()),
        service.clock,
    )
    callback = config.public_url.rstrip("/") + "/sign-in/campus/callback"
    roles, create = config.oidc_roles, config.oidc_create_users
    stored, key = service.archive.users, service.secret.key
    return campus_sign_on.CampusSignOn(provider, callback, stored, users, audit, key, roles, create)
