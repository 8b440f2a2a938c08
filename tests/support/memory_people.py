"""People in memory: without groups, which only a database resolves."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from flashnotify.archive.identity_records import AuditEntry
from flashnotify.archive.people_records import Group, Person, RefusedAddress
from flashnotify.archive.records import Page
from flashnotify.domain import Address, AudienceEntry
from tests.support.memory_state import State


class MemoryDirectory:
    """Implements `Directory` for people that audiences name one by one."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def people(self, ids: Collection[UUID]) -> Mapping[UUID, Person]:
        await self._state.read()
        return {id: self._state.people[id] for id in ids if id in self._state.people}

    async def identified(self, external_ids: Collection[str]) -> Mapping[str, UUID]:
        await self._state.read()
        people = self._state.people.values()
        return {str(p.external_id): p.id for p in people if p.external_id in external_ids}

    async def groups(self, slugs: Collection[str]) -> Mapping[str, Group]:
        await self._state.read()
        return {}

    async def audience(
        self, entries: Sequence[AudienceEntry], after: UUID | None, limit: int
    ) -> Sequence[Person]:
        await self._state.read()
        return []

    async def reached_by(
        self, entries: Sequence[AudienceEntry], addresses: Collection[Address]
    ) -> Collection[Address]:
        await self._state.read()
        named = {UUID(str(entry).partition(":")[2]) for entry in entries}
        people = [p for p in self._state.people.values() if p.id in named and p.active]
        held = {("mailto", str(p.email).lower()) for p in people} | {
            ("tel", p.phone) for p in people
        }
        return {a for a in addresses if (a.scheme, a.value.lower()) in held}

    async def count(self, entries: Sequence[AudienceEntry]) -> int:
        await self._state.read()
        return len(set(entries))


class MemoryRefusedAddresses:
    """Implements `RefusedAddresses`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def newest(self, limit: int) -> Sequence[RefusedAddress]:
        await self._state.read()
        return sorted(self._state.refused.values(), key=lambda each: each.refused_at)[-limit:]

    async def suspended(self, *, limit: int, cursor: str | None) -> Page[RefusedAddress]:
        found = [e for e in self._state.refused.values() if e.suspended_at is not None]
        return Page(found[:limit], None)

    async def store(
        self, addresses: Sequence[RefusedAddress], entry: AuditEntry | None = None
    ) -> None:
        async with self._state.write("refused_addresses.store"):
            self._state.put_refused(addresses)
