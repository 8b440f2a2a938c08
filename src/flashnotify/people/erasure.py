"""Erases people: what was sent is still counted, but nothing says to whom."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from pydantic_core import to_json

from flashnotify.archive.erasure_port import PersonalData
from flashnotify.archive.identity_records import AuditEntry, User
from flashnotify.clock import Clock
from flashnotify.errors import Unavailable
from flashnotify.identity.audit import Actor, Audit, Fact
from flashnotify.identity.users import Users
from flashnotify.time_slices import TimeSlices

log = structlog.get_logger(__name__)

# Deliveries that are changed together.
_SLICE = 100
# Seconds to wait for messages that are being sent, and for readers of the log; and in between.
_PATIENCE, _PAUSE = 30.0, 0.05
_SECRET = frozenset({"password_hash"})


@dataclass(frozen=True, slots=True)
class Erasure:
    """Tells what is stored about a person, and erases it.

    `erased` are deliveries that must not be sent any more, `sending` returns those under way.
    """

    data: PersonalData
    users: Users
    audit: Audit
    clock: Clock
    slices: TimeSlices
    erased: set[UUID]
    sending: Callable[[], frozenset[UUID]]

    async def document(self, user: User) -> AsyncIterator[bytes]:
        """Yield the parts of a JSON object of all that is stored about a person."""
        profile = {f.name: getattr(user, f.name) for f in fields(user) if f.name not in _SECRET}
        yield b'{"profile":' + _json(profile | {"kinds": sorted(user.kinds)})
        last = None
        async for name, rows in self.data.stored(user):
            opening = b"" if name == last else b"],"[last is None :] + b'"%s":[' % name.encode()
            comma = b"," if name == last and rows else b""
            texts = []
            for row in rows:
                await self.slices.step()
                texts.append(_json(row))
            yield opening + comma + b",".join(texts)
            last = name
        yield b"]}"

    async def erase(self, actor: Actor, id: UUID) -> None:
        """Erase a person.

        Raises:
            NotFound: there is no such user.
            Conflict: this is the last active admin.
            Unavailable: a message to the person is being sent. What was begun is harmless: the
                person is deactivated, and erasing again goes on.
        """
        user = await self.users.set_active(actor, id, False)
        deliveries = await self._forget_deliveries(user)
        await self.data.forget_in_audiences(user)

        async def remove() -> Collection[User]:
            async def write(entries: Sequence[AuditEntry]) -> None:
                await self.data.remove(user, entries[0])

            fact = Fact("user.erased", f"user:{id}", {"deliveries": deliveries})
            await self.audit.record_all(actor, [fact], write)
            return [user]

        await self.users.change_many(remove)
        await self.users.leave_addresses(user)
        # What was fanned out meanwhile.
        await self._forget_deliveries(user)
        if not await self._until(self.data.truncate_log):
            log.warning("erasure.log_not_truncated", meaning="a long read kept it: it will be")

    async def _forget_deliveries(self, user: User) -> int:
        """Forget whom deliveries are to; return how many. None of them is sent any more."""
        number = 0
        while found := await self.data.deliveries(user, _SLICE):
            queued = {delivery.id for delivery in found if delivery.queued}
            self.erased.update(queued)
            # Their results would say whom they were sent to.
            if not await self._until(partial(self._ended, queued)):
                raise Unavailable(
                    "A message to this person is being sent. Erase them again later.",
                    retry_after=30,
                    code="being_sent",
                )
            await self.data.forget_deliveries(found)
            number += len(found)
        return number

    async def _ended(self, deliveries: Collection[UUID]) -> bool:
        return not self.sending().intersection(deliveries)

    async def _until(self, true: Callable[[], Awaitable[bool]]) -> bool:
        """Wait until something is true, but not too long."""
        for _ in range(round(_PATIENCE / _PAUSE)):
            if await true():
                return True
            await self.clock.sleep(_PAUSE)
        return False


def _json(row: Mapping[str, Any]) -> bytes:
    return to_json(row, bytes_mode="hex")
