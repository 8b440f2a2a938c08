"""Users who can sign in, stored directly."""

from typing import Any

from flashnotify.app import Service
from flashnotify.archive.identity_records import User
from flashnotify.domain import Role
from flashnotify.identity.audit import Actor
from tests.support.passwords import GOOD, CountingHasher

__all__ = ["GOOD", "add_user", "change_user"]

_SYSTEM = Actor("local")


async def add_user(service: Service, role: Role = Role.sender, **more: Any) -> User:
    """Store a user whose password is `GOOD`, and who may send academic notifications."""
    values = {
        "name": "Ada Lovelace",
        "email": "ada@univ.example",
        "kinds": frozenset({"academic"}),
        "password_hash": CountingHasher(2).hash(GOOD),
        "created_at": service.clock.now(),
        **more,
    }
    user = User(service.ids(), role=role, **values)

    async def write(entry: Any) -> None:
        await service.archive.users.add(user, entry)

    await service.identity.audit.record(_SYSTEM, "user.created", f"user:{user.id}", write=write)
    return user


async def change_user(service: Service, user: User) -> None:
    """Store a changed user, and tell those who listen."""

    async def write(entry: Any) -> None:
        await service.archive.users.change(user, entry)

    await service.identity.audit.record(_SYSTEM, "user.changed", f"user:{user.id}", write=write)
    service.identity.tokens.forget_users([user])
