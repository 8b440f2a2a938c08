"""Who is in a group: people and other groups, in slices, since there may be thousands."""

import json
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from flashnotify.archive.people_records import MembershipSource
from flashnotify.archive.provisioning_ports import Provisioning
from flashnotify.facades.scim.failures import invalid
from flashnotify.facades.scim.members import MemberChanges
from flashnotify.facades.scim.selection import Selection
from flashnotify.identity.audit import Actor
from flashnotify.people.groups import Groups
from flashnotify.time_slices import TimeSlices

# Members that are read at once, and written into a text at once.
_READ = 500
_STEP = 50


@dataclass(frozen=True, slots=True)
class Membership:
    """Reads and changes who is in a group by itself."""

    stored: Provisioning
    groups: Groups
    slices: TimeSlices

    async def check(self, changes: MemberChanges) -> None:
        """Raise `ScimError` if somebody who is to be added is not there."""
        people, groups = await self._known(changes.added)
        for id in changes.added:
            if id not in people and id not in groups:
                raise invalid(f"members: no user or group has the id {str(id)!r}")

    async def change(self, actor: Actor, group_id: UUID, changes: MemberChanges) -> None:
        """Carry out changes of a group's members."""
        people, groups = await self._known(changes.added)
        removed: Collection[UUID] = changes.removed
        if changes.replaced:
            current = [id async for id in self._people(group_id)]
            removed = [id for id in current if id not in people]
        if removed:
            await self.groups.remove_members(actor, group_id, removed)
        if people:
            added = [id for id in changes.added if id in people]
            await self.groups.add_members(actor, group_id, added, MembershipSource.scim)
        if groups or changes.replaced or changes.removed:
            before = {child.id for child in await self.groups.subgroups(group_id)}
            kept = set() if changes.replaced else before.difference(changes.removed)
            if kept | groups != before:
                await self.groups.set_subgroups(actor, group_id, kept | groups)

    async def texts(
        self, base: str, group_id: UUID, selection: Selection
    ) -> tuple[list[bytes], int]:
        """Return the members of a group as the parts of a JSON text, and their number."""
        texts: list[bytes] = []
        number = 0
        found: list[tuple[str, UUID]] = []

        async def write() -> None:
            nonlocal number
            await self.slices.step()
            separator = b", " if number else b""
            entries = (json.dumps(_entry(base, *each, selection)) for each in found)
            texts.append(separator + ", ".join(entries).encode())
            number += len(found)
            found.clear()

        async for id in self._people(group_id):
            found.append(("User", id))
            if len(found) == _STEP:
                await write()
        children = await self.groups.subgroups(group_id)
        found += [("Group", child.id) for child in children]
        if found:
            await write()
        return texts, number

    async def _people(self, group_id: UUID) -> AsyncIterator[UUID]:
        after: UUID | None = None
        while found := await self.stored.members(group_id, after, _READ):
            for each in found:
                yield each
            if len(found) < _READ:
                return
            after = found[-1]

    async def _known(self, ids: Collection[UUID]) -> tuple[set[UUID], set[UUID]]:
        people: set[UUID] = set()
        groups: set[UUID] = set()
        for some in _sliced(ids):
            found = await self.stored.known(some)
            people |= found[0]
            groups |= found[1]
        return people, groups


def _sliced(ids: Collection[UUID]) -> Iterator[Sequence[UUID]]:
    left = iter(ids)
    while some := list(islice(left, _READ)):
        yield some


def _entry(base: str, kind: str, id: UUID, selection: Selection) -> object:
    entry = {"value": str(id), "$ref": f"{base}/{kind}s/{id}", "type": kind}
    if not selection.wanted and not selection.excluded:
        return entry
    shown = selection.of_document({"members": [entry]}).get("members", [{}])
    return shown[0]
