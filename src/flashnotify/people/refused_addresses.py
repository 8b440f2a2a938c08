"""Addresses that were refused for good: after a few refusals in a row, they are suspended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import UUID

from flashnotify.archive import people_ports
from flashnotify.archive.people_records import RefusedAddress
from flashnotify.archive.records import Page
from flashnotify.clock import Clock
from flashnotify.errors import NotFound
from flashnotify.identity.audit import Actor, Audit

# Refusals in a row after which an address is suspended.
REFUSALS = 3
# Addresses that are known at most: the oldest make room, those that are not suspended first.
_MOST = 10_000


@dataclass(eq=False, slots=True)
class RefusedAddresses:
    """Knows the addresses that were refused. What a delivery changes is stored with its result.

    `known` has them by channel and address, as `key_of` returns them, and is mostly empty.
    """

    stored: people_ports.RefusedAddresses
    clock: Clock
    ids: Callable[[], UUID]
    most: int = _MOST
    known: dict[tuple[str, str], RefusedAddress] = field(default_factory=dict, init=False)

    async def load(self) -> None:
        """Read them from the archive."""
        for each in await self.stored.newest(self.most):
            self.known[key_of(each.channel, each.address)] = each

    def suspended(self, channel: str, address: str) -> RefusedAddress | None:
        """Return what is known of an address, if it is suspended."""
        found = self.known.get(key_of(channel, address))
        return found if found is not None and found.suspended_at is not None else None

    def refuse(
        self, channel: str, address: str, reason: str, *, dead: bool = False
    ) -> Sequence[RefusedAddress]:
        """Count a refusal of an address, which is `dead` or may be. Return what to store."""
        key, now = key_of(channel, address), self.clock.now()
        room = [] if key in self.known else self._make_room()
        before = self.known.get(key) or RefusedAddress(self.ids(), channel, address, 0, "", now)
        refusals, since = before.refusals + 1, before.suspended_at
        if since is None and (dead or refusals >= REFUSALS):
            since = now
        after = replace(
            before, refusals=refusals, reason=reason, refused_at=now, suspended_at=since
        )
        self.known[key] = after
        return [*room, after]

    def forget(self, channel: str, address: str) -> Sequence[RefusedAddress]:
        """Forget the refusals of an address, since it works. Return what to store."""
        found = self.known.pop(key_of(channel, address), None)
        return () if found is None else [replace(found, refusals=0)]

    async def report_dead(self, channel: str, address: str, reason: str) -> None:
        """Suspend an address at once."""
        await self.stored.store(self.refuse(channel, address, reason, dead=True))

    async def release(self, channel: str, address: str) -> None:
        """Forget the refusals of an address that works, or has changed hands."""
        if gone := self.forget(channel, address):
            await self.stored.store(gone)

    async def page(self, *, limit: int, cursor: str | None) -> Page[RefusedAddress]:
        """Return a page of those that are suspended, newest first."""
        return await self.stored.suspended(limit=limit, cursor=cursor)

    async def clear(self, audit: Audit, actor: Actor, id: UUID) -> None:
        """Let an address be sent to again. Raise `NotFound` if no suspended address has the id."""
        found = next((each for each in self.known.values() if each.id == id), None)
        if found is None or found.suspended_at is None:
            raise NotFound("No suspended address has this id. List them: /v1/addresses/suspended")
        write = partial(self.stored.store, [replace(found, refusals=0)])
        details = {"channel": found.channel}
        await audit.record(actor, "address.cleared", f"address:{id}", details, write)
        self.known.pop(key_of(found.channel, found.address), None)

    def _make_room(self) -> Sequence[RefusedAddress]:
        if len(self.known) < self.most:
            return []
        active = (key for key, each in self.known.items() if each.suspended_at is None)
        oldest = self.known.pop(next(active, next(iter(self.known))))
        return [replace(oldest, refusals=0)]


def key_of(channel: str, address: str) -> tuple[str, str]:
    """Return by what an address is known: its case does not matter."""
    return channel, address.lower()
