"""What users of each role may do, as sets of the scopes that API keys have too."""

from collections.abc import Mapping
from uuid import UUID

from flashnotify.archive.identity_records import User
from flashnotify.domain import Priority, Role
from flashnotify.identity.principal import ADMIN, READ, READ_ALL, Principal

_SCOPES: Mapping[Role, frozenset[str]] = {
    Role.admin: frozenset({ADMIN}),
    Role.viewer: frozenset({READ, READ_ALL}),
    Role.sender: frozenset({READ}),
    Role.service: frozenset({READ}),
    # Whoever the campus directory knows: they see what is their own.
    Role.member: frozenset({READ}),
}
_PREFIX = "user:"
# Those who send the kinds that were granted to them.
SENDING = (Role.sender, Role.service)


def user_principal(user: User, expires_at: int | None = None) -> Principal:
    """Return what a user may do, until `expires_at` (ms since the epoch)."""
    granted = {f"notify:{kind}" for kind in user.kinds} if user.role in SENDING else set()
    highest = Priority.critical if user.role is Role.admin else Priority.high
    scopes = _SCOPES[user.role] | granted
    id = f"{_PREFIX}{user.id}"
    return Principal(id, scopes, highest, expires_at, name=user.name, role=user.role)


def user_id(principal: Principal) -> UUID | None:
    """Return the id of the user that a principal is; None if it is none."""
    prefix, id = principal.id[: len(_PREFIX)], principal.id[len(_PREFIX) :]
    return UUID(id) if prefix == _PREFIX else None
