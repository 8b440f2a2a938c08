"""Groups: created, changed, filled. Each change is audited."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from flashnotify.archive import people_ports
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.people_records import (
    Group,
    GroupFilter,
    Member,
    Membership,
    MembershipSource,
)
from flashnotify.archive.records import Page
from flashnotify.clock import Clock
from flashnotify.errors import AlreadyTaken, Conflict, FieldError, NotFound
from flashnotify.identity.audit import Actor, Audit
from flashnotify.one_at_a_time import OneAtATime
from flashnotify.people.group_rules import check_rule
from flashnotify.people.slugs import is_id

# How deep groups may be in one another.
MAX_DEPTH = 5
# Memberships of one commit, and those of which its audit entry has the people's ids.
_SLICE = 500
_SHOWN = 20
# Fields whose values the audit log has: they are not personal.
_AUDITED = ("slug", "joinable", "kind")


class Groups:
    """Creates, changes and fills groups, one change at a time."""

    def __init__(
        self,
        stored: people_ports.Groups,
        audit: Audit,
        clock: Clock,
        ids: Callable[[], UUID],
    ) -> None:
        self._stored = stored
        self._audit = audit
        self._clock = clock
        self._ids = ids
        self._changes = OneAtATime()

    async def find(self, id: UUID) -> Group:
        """Return a group. Raise `NotFound` if there is none."""
        return _found(await self._stored.find(id))

    async def find_named(self, name: str) -> Group:
        """Return the group with an id or slug. Raise `NotFound` if there is none."""
        if is_id(name):
            return await self.find(UUID(name))
        return _found(await self._stored.find_slug(name))

    async def find_external(self, external_id: str) -> Group | None:
        """Return the group that the campus directory knows by this id."""
        return await self._stored.find_external(external_id)

    async def page(self, wanted: GroupFilter, *, limit: int, cursor: str | None) -> Page[Group]:
        """Return a page of groups, newest first."""
        return await self._stored.page(wanted, limit=limit, cursor=cursor)

    async def create(self, actor: Actor, fields: Mapping[str, Any]) -> Group:
        """Create a group with `fields` of the record.

        Raises:
            AlreadyTaken: another has the slug or the external id.
            InvalidInput: the rule is not one.
        """
        values = {"owner": actor.id, **_checked(fields)}
        group = Group(self._ids(), created_at=self._clock.now(), **values)
        return await self._changes.run(self._add(actor, group, fields))

    async def change(self, actor: Actor, id: UUID, fields: Mapping[str, Any]) -> Group:
        """Change `fields` of a group; the others stay.

        Raises:
            NotFound: there is no such group.
            AlreadyTaken, InvalidInput: as `create`.
            Conflict: it gets another slug while an unfinished notification names it.
        """
        return await self._changes.run(self._change(actor, id, _checked(fields)))

    async def remove(self, actor: Actor, id: UUID) -> None:
        """Remove a group; its people stay.

        Raises:
            NotFound: there is no such group.
            Conflict: a notification names it that is not fanned out yet.
        """
        await self._changes.run(self._remove(actor, id))

    async def members(self, id: UUID, *, limit: int, cursor: str | None) -> Page[Member]:
        """Return a page of a group's own members, the newest people first."""
        return await self._stored.members(id, limit=limit, cursor=cursor)

    async def of_user(self, user_id: UUID) -> Sequence[tuple[Group, Membership]]:
        """Return the groups that a person is a member of, by slug."""
        return await self._stored.of_user(user_id)

    async def add_members(
        self,
        actor: Actor,
        group_id: UUID,
        user_ids: Collection[UUID],
        source: MembershipSource = MembershipSource.manual,
    ) -> int:
        """Add people to a group, some hundreds to a commit. Return how many were not in it.

        Raises:
            NotFound: there is no such group.
            WriteRefused: one of the people does not exist any more.
        """
        group, number = await self.find(group_id), 0
        for some in _sliced(user_ids):
            number += await self._changes.run(self._add_some(actor, group, some, source))
        return number

    async def remove_members(self, actor: Actor, group_id: UUID, user_ids: Collection[UUID]) -> int:
        """Remove people from a group, as `add_members` adds them. Return how many were in it."""
        group, number = await self.find(group_id), 0
        for some in _sliced(user_ids):
            number += await self._changes.run(self._remove_some(actor, group, some))
        return number

    async def subgroups(self, id: UUID) -> Sequence[Group]:
        """Return the groups that are in a group directly, by slug."""
        return await self._stored.subgroups(id)

    async def set_subgroups(self, actor: Actor, id: UUID, child_ids: Collection[UUID]) -> None:
        """Put these groups, and no others, into a group.

        Raises:
            NotFound: there is no such group.
            Conflict: a group would contain itself, or groups would nest too deep.
        """
        await self._changes.run(self._set_subgroups(actor, id, set(child_ids)))

    async def _add(self, actor: Actor, group: Group, fields: Mapping[str, Any]) -> Group:
        await self._refuse_taken(group)
        details = {"fields": sorted(fields), "slug": group.slug}
        await self._record(actor, "group.created", group, details, self._stored.add)
        return group

    async def _change(self, actor: Actor, id: UUID, fields: Mapping[str, Any]) -> Group:
        before = await self.find(id)
        after = replace(before, **fields)
        changed = [name for name in fields if getattr(before, name) != getattr(after, name)]
        if not changed:
            return before
        await self._refuse_taken(after)
        if "slug" in changed:
            await self._refuse_named(before)
        details: dict[str, Any] = {"fields": sorted(changed)}
        for name in set(_AUDITED).intersection(changed):
            details[name] = [getattr(before, name), getattr(after, name)]
        await self._record(actor, "group.changed", after, details, self._stored.change)
        return after

    async def _remove(self, actor: Actor, id: UUID) -> None:
        group = await self.find(id)
        await self._refuse_named(group)

        async def store(group: Group, entry: AuditEntry) -> None:
            await self._stored.remove(group.id, entry)

        await self._record(actor, "group.removed", group, {"slug": group.slug}, store)

    async def _add_some(
        self, actor: Actor, group: Group, user_ids: Sequence[UUID], source: MembershipSource
    ) -> int:
        known = await self._stored.members_among(group.id, user_ids)
        since = self._clock.now()
        new = [Membership(group.id, id, source, since) for id in user_ids if id not in known]
        if new:
            details = {"source": source, **_people([each.user_id for each in new])}
            store = partial(self._stored.put_members, new)
            await self._audit.record(actor, "group.joined", f"group:{group.id}", details, store)
        return len(new)

    async def _remove_some(self, actor: Actor, group: Group, user_ids: Sequence[UUID]) -> int:
        known = await self._stored.members_among(group.id, user_ids)
        if known:
            store = partial(self._stored.remove_members, group.id, list(known))
            details = _people(list(known))
            await self._audit.record(actor, "group.left", f"group:{group.id}", details, store)
        return len(known)

    async def _set_subgroups(self, actor: Actor, id: UUID, wanted: set[UUID]) -> None:
        group = await self.find(id)
        now = {child.id for child in await self._stored.subgroups(id)}
        if now == wanted:
            return
        await self._refuse_nesting(id, wanted)
        added, removed = wanted - now, now - wanted
        details = {"added": sorted(map(str, added)), "removed": sorted(map(str, removed))}
        store = partial(self._stored.set_subgroups, id, added, removed)
        await self._audit.record(actor, "group.nested", f"group:{group.id}", details, store)

    async def _refuse_nesting(self, id: UUID, children: Collection[UUID]) -> None:
        below = await self._stored.below(children, MAX_DEPTH)
        if id in below:
            raise Conflict(
                "The group would contain itself. Take it out of its subgroups first.",
                code="group_cycle",
            )
        above = await self._stored.above([id], MAX_DEPTH)
        # The groups on the longest way down.
        if below and max(above.values(), default=0) + 1 + max(below.values()) >= MAX_DEPTH:
            raise Conflict(
                f"Groups may be in one another up to {MAX_DEPTH} deep. Put the people of a "
                "subgroup into the group itself.",
                code="group_too_deep",
            )

    async def _refuse_taken(self, group: Group) -> None:
        found = {"slug": await self._stored.find_slug(group.slug)}
        if group.external_id is not None:
            found["external_id"] = await self._stored.find_external(group.external_id)
        errors = [
            FieldError(f"/{name}", "already_taken", f"belongs to the group {other.id}")
            for name, other in found.items()
            if other is not None and other.id != group.id
        ]
        if errors:
            raise AlreadyTaken(errors)

    async def _refuse_named(self, group: Group) -> None:
        """Keep what a notification names until its recipients are known."""
        if (notification := await self._stored.named_in(group.slug)) is not None:
            raise Conflict(
                f"The notification {notification} is to reach this group and is not fanned out "
                "yet. Cancel it, or try again later.",
                code="group_in_use",
            )

    async def _record(
        self,
        actor: Actor,
        action: str,
        group: Group,
        details: Mapping[str, Any],
        store: Callable[[Group, AuditEntry], Awaitable[None]],
    ) -> None:
        await self._audit.record(actor, action, f"group:{group.id}", details, partial(store, group))


def _found(group: Group | None) -> Group:
    if group is None:
        raise NotFound("No group has this id or slug. List them: flashnotify groups list")
    return group


def _checked(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    rule = fields.get("rule")
    return fields if rule is None else {**fields, "rule": check_rule(rule)}


def _people(ids: Sequence[UUID]) -> Mapping[str, Any]:
    """Return what the audit log has of some people."""
    shown = {"users": sorted(map(str, ids))} if len(ids) <= _SHOWN else {}
    return {"number": len(ids), **shown}


def _sliced(ids: Collection[UUID]) -> Iterator[Sequence[UUID]]:
    left = iter(dict.fromkeys(ids))
    while some := list(islice(left, _SLICE)):
        yield some
