"""Topics: groups that people join and leave themselves."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias
from uuid import UUID

from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.people_ports import Groups
from flashnotify.archive.people_records import Group, GroupFilter, Membership, MembershipSource
from flashnotify.archive.records import Page
from flashnotify.clock import Clock
from flashnotify.errors import NotFound
from flashnotify.identity.audit import Actor, Audit

_Write: TypeAlias = Callable[[AuditEntry], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Topics:
    """Shows topics, and lets people join and leave them."""

    stored: Groups
    audit: Audit
    clock: Clock

    async def page(self, *, limit: int, cursor: str | None) -> Page[Group]:
        """Return a page of all topics, newest first."""
        return await self.stored.page(GroupFilter(joinable=True), limit=limit, cursor=cursor)

    async def joined(self, user_id: UUID) -> Mapping[UUID, Membership]:
        """Return a person's memberships by the ids of the groups."""
        return {group.id: member for group, member in await self.stored.of_user(user_id)}

    async def join(
        self, actor: Actor, slug: str, user_id: UUID, channels: frozenset[str] | None
    ) -> tuple[Group, Membership]:
        """Let a person join a topic, or change the channels on which they want it; None: all.

        Raise `NotFound` if there is no such topic.
        """
        topic, before = await self._find(slug, user_id)
        now = self.clock.now()
        member = before or Membership(topic.id, user_id, MembershipSource.self, now)
        member = replace(member, channels=channels)
        if member != before:
            store = partial(self.stored.put_members, [member])
            await self._record(actor, "topic.joined", topic, user_id, store)
        return topic, member

    async def leave(self, actor: Actor, slug: str, user_id: UUID) -> None:
        """Let a person leave a topic. Raise `NotFound` if there is no such topic."""
        topic, member = await self._find(slug, user_id)
        if member is not None:
            store = partial(self.stored.remove_members, topic.id, [user_id])
            await self._record(actor, "topic.left", topic, user_id, store)

    async def _find(self, slug: str, user_id: UUID) -> tuple[Group, Membership | None]:
        topic = await self.stored.find_slug(slug)
        if topic is None or not topic.joinable:
            raise NotFound("No topic has this slug. List them: GET /v1/me/topics")
        return topic, (await self.stored.members_among(topic.id, [user_id])).get(user_id)

    async def _record(
        self,
        actor: Actor,
        action: str,
        topic: Group,
        user_id: UUID,
        store: _Write,
    ) -> None:
        details = {"users": [str(user_id)]}
        await self.audit.record(actor, action, f"group:{topic.id}", details, store)
