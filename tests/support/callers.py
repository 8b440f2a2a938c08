"""Callers of each role and scope, and the ways in which they prove who they are."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from flashnotify.api.browser_sessions import SESSION
from flashnotify.archive.identity_records import User
from flashnotify.domain import Role
from flashnotify.identity.roles import user_principal
from tests.support.people import GOOD, add_user
from tests.support.running import Running

_ACADEMIC: frozenset[str] = frozenset({"academic"})
# By the heading of its column in the table of permissions.
SCOPES = {
    f"`{scope}`": frozenset({scope})
    for scope in ("read", "read:all", "devices", "people", "notify:academic", "notify:*", "admin")
}
ROLES: dict[str, tuple[Role, frozenset[str]]] = {
    "sender": (Role.sender, _ACADEMIC),
    "sender of no kind": (Role.sender, frozenset()),
    "member": (Role.member, frozenset()),
    "viewer": (Role.viewer, frozenset()),
    "service": (Role.service, _ACADEMIC),
    "admin": (Role.admin, frozenset()),
}


class Caller(NamedTuple):
    """What proves who somebody is, and the id that their notifications are filed under."""

    headers: Mapping[str, str]
    id: str
    user: User | None = None


Way = Callable[[Running, str], Awaitable[Caller]]


def scopes_of(column: str) -> frozenset[str]:
    """Return the scopes of a column."""
    if column in SCOPES:
        return SCOPES[column]
    role, kinds = ROLES[column]
    return user_principal(User(UUID(int=0), "Ada", role, 0, kinds=kinds)).scopes


async def person(service: Running, column: str) -> User:
    """Store a user of a role; of the scopes, an admin."""
    role, kinds = ROLES.get(column, ROLES["admin"])
    email = f"u{service.service.ids()}@univ.example"
    return await add_user(service.service, role, email=email, kinds=kinds)


async def by_key(service: Running, column: str, **more: Any) -> Caller:
    headers = await service.key(*scopes_of(column), max_priority="critical", **more)
    return Caller(headers, headers["Authorization"].split("_")[1])


async def by_token(service: Running, column: str) -> Caller:
    """Sign in; as an admin who asks for one scope only, if the column is that of a scope."""
    user = await person(service, column)
    form = {"grant_type": "password", "username": user.email, "password": GOOD}
    if column in SCOPES:
        form["scope"] = " ".join(SCOPES[column])
    return Caller(await _token(service, form), f"user:{user.id}", user)


async def by_token_of_key(service: Running, column: str) -> Caller:
    key = await by_key(service, column)
    secret = key.headers["Authorization"].partition(" ")[2]
    form = {"grant_type": "client_credentials", "client_secret": secret, "client_id": key.id}
    return Caller(await _token(service, form), key.id)


async def by_session(service: Running, column: str) -> Caller:
    user = await person(service, column)
    cookie = await service.service.identity.sessions.begin(user, None, None)
    headers = {"Cookie": f"{SESSION}={cookie}", "Sec-Fetch-Site": "same-origin"}
    return Caller(headers, f"user:{user.id}", user)


async def _token(service: Running, form: Mapping[str, Any]) -> dict[str, str]:
    answer = await service.anonymous.post("/v1/auth/token", data=form)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


# The ways of proving who one is, and the columns that each can be tried with.
WAYS: dict[str, tuple[Way, tuple[str, ...]]] = {
    "key": (by_key, (*SCOPES, *ROLES)),
    "token": (by_token, (*SCOPES, *ROLES)),
    "token of a key": (by_token_of_key, tuple(SCOPES)),
    "session": (by_session, tuple(ROLES)),
}
