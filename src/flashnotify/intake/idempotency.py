"""`Idempotency-Key`: the same key and document give the same answer, for 24 hours."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flashnotify.archive.ports import Notifications
from flashnotify.archive.records import IdempotencyRecord
from flashnotify.clock import Clock
from flashnotify.domain import IDEMPOTENCY_LIFETIME, NotificationStatus
from flashnotify.errors import FieldError, IdempotencyMismatch
from flashnotify.keyed_locks import KeyedLocks
from flashnotify.time_slices import TimeSlices


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a notification that is on disk. `replayed`: it was accepted before.

    `warnings` name what the notification asks for and does not get.
    """

    id: UUID
    status: NotificationStatus
    replayed: bool = False
    warnings: Sequence[FieldError] = ()


# Entries of a list in one piece of JSON, and the length of pieces that take a while.
_ENTRIES = 1000
_LONG = 10_000

# Accepts a document; the function it is given makes the record to store with the notification.
Accept = Callable[[Callable[[UUID, NotificationStatus], IdempotencyRecord]], Awaitable[Accepted]]


class Idempotency:
    """Accepts one request for each of a caller's keys."""

    def __init__(self, notifications: Notifications, clock: Clock, slices: TimeSlices) -> None:
        self._notifications = notifications
        self._clock = clock
        self._slices = slices
        self._locks: KeyedLocks[tuple[str, str]] = KeyedLocks()

    async def once(
        self, caller: str, key: str, document: Mapping[str, Any], accept: Accept
    ) -> Accepted:
        """Return what `accept` returns, or returned first for `key` and the same document."""
        fingerprint = await self._fingerprint(document)
        # One request at a time for each key: the second finds the answer of the first.
        async with self._locks[caller, key]:
            earlier = await self._notifications.idempotent_answer(caller, key)
            now = self._clock.now()
            if earlier is None or now - earlier.created_at >= IDEMPOTENCY_LIFETIME:
                return await accept(
                    lambda id, status: IdempotencyRecord(caller, key, fingerprint, id, status, now)
                )
            if earlier.fingerprint != fingerprint:
                raise IdempotencyMismatch(
                    "This Idempotency-Key was used for another request. Use a new key for each."
                )
            return Accepted(earlier.notification_id, earlier.status, replayed=True)

    async def _fingerprint(self, document: Mapping[str, Any]) -> bytes:
        """Return a hash of a parsed document: white space and order do not matter."""
        hashed = hashlib.sha256()
        for piece in sorted_json(document):
            # To encode a long piece took milliseconds, and to hash it takes as long.
            if len(piece) > _LONG:
                await self._slices.step()
            hashed.update(piece.encode())
        return hashed.digest()


def sorted_json(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a document as JSON with sorted keys, in pieces that soon are made."""
    yield "{"
    for number, (key, value) in enumerate(sorted(document.items())):
        yield f"{', ' if number else ''}{json.dumps(key)}: "
        if isinstance(value, list):
            yield "["
            for start in range(0, len(value), _ENTRIES):
                some = json.dumps(value[start : start + _ENTRIES], sort_keys=True)
                yield f"{', ' if start else ''}{some[1:-1]}"
            yield "]"
        else:
            yield json.dumps(value, sort_keys=True)
    yield "}"
