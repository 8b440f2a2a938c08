"""`Idempotency-Key`: the same key and document give the same answer, for 24 hours."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flashnotify.archive.ports import Notifications
from flashnotify.archive.records import IdempotencyRecord
from flashnotify.clock import Clock
from flashnotify.domain import IDEMPOTENCY_LIFETIME, NotificationStatus
from flashnotify.errors import FieldError, IdempotencyMismatch
from flashnotify.keyed_locks import KeyedLocks


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a notification that is on disk. `replayed`: it was accepted before.

    `warnings` name what the notification asks for and does not get.
    """

    id: UUID
    status: NotificationStatus
    replayed: bool = False
    warnings: Sequence[FieldError] = ()


# Accepts a document; the function it is given makes the record to store with the notification.
Accept = Callable[[Callable[[UUID, NotificationStatus], IdempotencyRecord]], Awaitable[Accepted]]


class Idempotency:
    """Accepts one request for each of a caller's keys."""

    def __init__(self, notifications: Notifications, clock: Clock) -> None:
        self._notifications = notifications
        self._clock = clock
        self._locks: KeyedLocks[tuple[str, str]] = KeyedLocks()

    async def once(
        self, caller: str, key: str, document: Mapping[str, Any], accept: Accept
    ) -> Accepted:
        """Return what `accept` returns, or returned first for `key` and the same document."""
        # Of the parsed document, so that white space and order do not matter.
        fingerprint = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()
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
