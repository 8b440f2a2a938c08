"""What happens when `serve` starts on an archive that has no users yet, or with another key."""

import secrets
import string
from typing import NamedTuple

import structlog

from flashnotify.archive.identity_records import AuditFilter
from flashnotify.domain import Role
from flashnotify.errors import InvalidValue, SettingsError
from flashnotify.identity.audit import Actor, Audit
from flashnotify.identity.passwords import Passwords
from flashnotify.identity.secret import Secret
from flashnotify.identity.users import Users

log = structlog.get_logger(__name__)

_SERVE = Actor("local")
# A password of four groups of five letters has 94 bits.
_GROUPS, _LETTERS = 4, 5
KEY_SET = "secret_key.set"
LOST = (
    "API keys and tokens of the former one do not work. Add the former one to "
    "FLASHNOTIFY_PREVIOUS_SECRET_KEYS, or create new API keys; passwords still work"
)


class FirstAdmin(NamedTuple):
    """The first admin, and the password if it was made here: it is shown once."""

    email: str
    password: str | None


async def create_first_admin(
    users: Users, passwords: Passwords, email: str, password: str | None
) -> FirstAdmin | None:
    """Create an admin if there are no users, and return who it is.

    Raise `SettingsError` if the `password` of the settings is not good enough.
    """
    if await users.any():
        return None
    fields = {"name": "Admin", "role": Role.admin, "email": email}
    if password is None:
        made = "-".join(_word() for _ in range(_GROUPS))
        hashed = {"password_hash": await passwords.hash(made)}
        await users.create(_SERVE, fields | hashed)
        return FirstAdmin(email, made)
    try:
        await users.create(_SERVE, fields, password)
    except InvalidValue as error:
        example = "Example: FLASHNOTIFY_ADMIN_PASSWORD=$(openssl rand -base64 18)"
        raise SettingsError(f"FLASHNOTIFY_ADMIN_PASSWORD: {error}. {example}") from None
    return FirstAdmin(email, None)


async def note_secret_key(audit: Audit, secret: Secret) -> None:
    """Record the fingerprint of a new secret key, and warn if the one before is unknown now."""
    known = await audit.log.page(AuditFilter(action=KEY_SET), limit=1, cursor=None)
    details = {"fingerprint": secret.fingerprint}
    if known.items and known.items[0].details == details:
        return
    await audit.record(_SERVE, KEY_SET, details=details)
    if known.items and not secret.was(str(known.items[0].details.get("fingerprint"))):
        log.warning("secret_key.changed", meaning=LOST)


def _word() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(_LETTERS))
