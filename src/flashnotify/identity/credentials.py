"""Whether what a person has just proved is still so when it takes effect."""

from flashnotify.archive.identity_ports import Users
from flashnotify.archive.identity_records import User
from flashnotify.errors import NotAuthenticated


async def require_unchanged(users: Users, user: User) -> None:
    """Raise `NotAuthenticated` if a user who signed in has other credentials now, or may not.

    Only within the write of an audit entry does this hold until what is written: changes of users
    are such writes, too.
    """
    now = await users.find(user.id)
    since = user.credentials_changed_at
    if now is None or not now.active or now.credentials_changed_at != since:
        raise NotAuthenticated(
            "The password or the role was changed meanwhile. Sign in again.",
            code="credentials_changed",
        )
