"""Users who sign in with a browser."""

from dataclasses import replace
from functools import partial
from typing import Any

from flashnotify.api.browser_sessions import SESSION
from flashnotify.app import Service
from flashnotify.archive.identity_records import User
from flashnotify.domain import Role
from flashnotify.identity.audit import Actor

# What a browser sends with a request of one of our own pages.
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


async def add_user(service: Service, role: Role = Role.admin, **more: Any) -> User:
    """Store a user."""
    user = replace(User(service.ids(), "Ada Lovelace", role, service.clock.now()), **more)
    write = partial(service.archive.users.add, user)
    actor, target = Actor("local"), f"user:{user.id}"
    await service.identity.audit.record(actor, "user.created", target, write=write)
    return user


async def cookie_of(service: Service, user: User, agent: str = "Firefox") -> dict[str, str]:
    """Begin a session, and return the header of its cookie."""
    cookie = await service.identity.sessions.begin(user, "192.0.2.7", agent)
    return {"Cookie": f"{SESSION}={cookie}"}
