"""Who may use a service, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flashnotify.identity.api_keys import ApiKeys
from flashnotify.identity.audit import Audit
from flashnotify.identity.password_reset import PasswordReset
from flashnotify.identity.passwords import Passwords
from flashnotify.identity.sign_in import SignIn
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


def identity_of(service: Service) -> Identity:
    """Return the parts of a service that know who may use it. May create its secret key."""
    archive, clock, config = service.archive, service.clock, service.config
    audit, passwords = Audit(archive.audit, clock), Passwords(service.hashing)
    users = Users(archive.users, passwords, audit, clock, service.ids)
    page = config.public_url.rstrip("/") + "/reset-password"
    mail, key = service.direct_email, service.secret.key
    return Identity(
        audit=audit,
        keys=ApiKeys(archive.api_keys, audit, clock, key),
        users=users,
        passwords=passwords,
        sign_in=SignIn(archive.users, passwords, audit, clock),
        reset=PasswordReset(archive.users, users, mail, audit, clock, key, page, config.locale),
    )
