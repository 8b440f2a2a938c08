"""The audit log: who did what, from where. Each entry carries a hash of the one before.

An entry that was changed, removed or moved shows, since no hash that follows it fits any more.
Entries hold ids and the names of fields, and values only where these are not personal.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from flashnotify.archive.identity_ports import AuditLog
from flashnotify.archive.identity_records import AuditEntry
from flashnotify.clock import Clock
from flashnotify.errors import RateLimited
from flashnotify.identity.throttle import Throttle
from flashnotify.networks import network_of

# The hash before the first entry.
_BEGIN = bytes(32)
_LOWEST = -(2**63)
# Entries that are verified before other tasks get the event loop, and at once.
_STEP = 200
_VERIFIED = 20_000
# Refusals of a network that are all recorded.
_REFUSALS = 50


class Actor(NamedTuple):
    """Who acts: the id of a principal, and the network address of the request, if there is one."""

    id: str
    address: str | None = None


class Fact(NamedTuple):
    """What was done, and to what. `details` hold nothing personal."""

    action: str
    target: str | None = None
    details: Mapping[str, Any] = MappingProxyType({})


class Verification(NamedTuple):
    """What a verification found, up to entry `number` with its `hash`.

    `broken` are the entries that were changed, and those before which one is missing.
    """

    number: int
    hash: bytes
    broken: Sequence[int]
    complete: bool


@dataclass(eq=False, slots=True)
class Audit:
    """Makes the entries of the audit log, one at a time, since each needs the one before."""

    log: AuditLog
    clock: Clock
    _last: AuditEntry | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _refusals: Throttle = field(init=False)

    def __post_init__(self) -> None:
        self._refusals = Throttle(_REFUSALS, self.clock)

    async def record(
        self,
        actor: Actor,
        action: str,
        target: str | None = None,
        details: Mapping[str, Any] | None = None,
        write: Callable[[AuditEntry], Awaitable[None]] | None = None,
    ) -> None:
        """Store an entry, together with the change that `write` stores with it.

        Raise what `write` raises; then there is no entry.
        """

        async def write_one(entries: Sequence[AuditEntry]) -> None:
            await (write or self.log.append)(entries[0])

        await self.record_all(actor, [Fact(action, target, details or {})], write_one)

    async def record_all(
        self,
        actor: Actor,
        facts: Sequence[Fact],
        write: Callable[[Sequence[AuditEntry]], Awaitable[None]],
    ) -> None:
        """Store the entries of several facts, together with the changes that `write` stores.

        Raise what `write` raises; then there is none.
        """
        # A caller that is cancelled must not leave it open whether this was the last entry.
        await asyncio.shield(self._record_all(actor, facts, write))

    async def record_refusal(
        self, actor: Actor, action: str, target: str | None, details: Mapping[str, Any]
    ) -> None:
        """Store an entry about a refusal that costs nothing to provoke.

        Of a network with very many, only some are stored, so that nobody fills the log.
        """
        try:
            self._refusals.begin(network_of(actor.address))
        except RateLimited:
            return
        await self.record(actor, action, target, details)

    async def _record_all(
        self,
        actor: Actor,
        facts: Sequence[Fact],
        write: Callable[[Sequence[AuditEntry]], Awaitable[None]],
    ) -> None:
        async with self._turn:
            last = self._last or await self.log.last()
            before, previous = (last.number, last.hash) if last is not None else (0, _BEGIN)
            now = self.clock.now()
            entries: list[AuditEntry] = []
            for number, (action, target, details) in enumerate(facts, before + 1):
                values = (number, now, *actor, action, target, dict(details))
                entry = AuditEntry(*values, previous, _hash(previous, *values))
                entries.append(entry)
                previous = entry.hash
            # If this fails, the entries may be stored nevertheless: the archive knows.
            self._last = None
            await write(entries)
            self._last = entries[-1]

    async def verify(self, after: int = 0) -> Verification:
        """Verify the entries that follow number `after`, up to some ten thousand.

        That the newest ones were removed shows only beside a copy of the last hash.
        """
        number, previous, verified = after, await self._hash_of(after) or _BEGIN, 0
        broken: list[int] = []
        # There is none before the first, unless somebody has put it there.
        reached = after or _LOWEST
        while entries := await self.log.after(reached, _STEP):
            for entry in entries:
                values = (entry.number, entry.at, entry.actor, entry.address, entry.action)
                fits = entry.hash == _hash(entry.previous, *values, entry.target, entry.details)
                if not fits or entry.previous != previous or entry.number != number + 1:
                    broken.append(entry.number)
                reached = number = entry.number
                previous = entry.hash
            verified += len(entries)
            if verified >= _VERIFIED:
                return Verification(number, previous, broken, complete=False)
            await asyncio.sleep(0)
        return Verification(number, previous, broken, complete=True)

    async def has(self, number: int, kept: bytes) -> bool:
        """Return whether the log still has an entry whose hash somebody kept elsewhere."""
        return await self._hash_of(number) == kept

    async def _hash_of(self, number: int) -> bytes | None:
        found = await self.log.after(number - 1, 1)
        return found[0].hash if found and found[0].number == number else None


def _hash(previous: bytes, *values: Any) -> bytes:
    """Return the hash of an entry that follows the one with the hash `previous`."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(previous + text.encode()).digest()
