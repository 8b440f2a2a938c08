"""The one way in: checks, idempotency, the row, the commit. What is accepted is on disk."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from flashnotify.archive.reads.reader import Reader
from flashnotify.archive.writer import Writer
from flashnotify.archive.writes.changes import Change
from flashnotify.archive.writes.statements import (
    ADD_IDEMPOTENCY_KEY,
    ADD_JOB,
    ADD_NOTIFICATION,
    ADD_TOTAL,
    FORGET_IDEMPOTENCY_KEY,
)
from flashnotify.clock import Clock
from flashnotify.domain import (
    IDEMPOTENCY_LIFETIME,
    Job,
    NotificationStatus,
    Priority,
    milliseconds,
)
from flashnotify.errors import IdempotencyMismatch, Unavailable
from flashnotify.identity.principal import Caller
from flashnotify.intake.validation import Checked, Validation, parse
from flashnotify.queue.base import Queue
from flashnotify.runtime.supervisor import Supervisor
from flashnotify.telemetry.metrics import Metrics
from flashnotify.telemetry.statistics import ACCEPTED, total


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a notification that is on disk. `replayed`: it was accepted before."""

    id: UUID
    status: NotificationStatus
    replayed: bool = False


class Submission:
    """Accepts notifications. `locale` is the language of those that ask for none."""

    def __init__(
        self,
        validation: Validation,
        reader: Reader,
        writer: Writer,
        supervisor: Supervisor,
        queue: Queue[Job],
        notice: Callable[[Priority, int], None],
        clock: Clock,
        ids: Callable[[], UUID],
        locale: str,
        metrics: Metrics,
    ) -> None:
        self._validation = validation
        self._reader = reader
        self._writer = writer
        self._supervisor = supervisor
        self._queue = queue
        self._notice = notice
        self._clock = clock
        self._ids = ids
        self._locale = locale
        self._metrics = metrics
        self._in_hand: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def require_ready(self) -> None:
        """Check that what is accepted now can be kept and sent.

        Raises:
            Unavailable: it cannot; nothing was accepted.
        """
        self._supervisor.require_all()
        if self._writer.overloaded:
            raise Unavailable("The archive cannot keep up at the moment. Send it again later.")

    async def accept(self, caller: Caller, document: bytes, key: str | None) -> Accepted:
        """Accept the notification that a JSON `document` asks for; `key` is its Idempotency-Key.

        Raises:
            MalformedDocument: it is no JSON object.
            InvalidInput: something in it is wrong; every fault is named.
            NotPermitted: the caller may not send this.
            IdempotencyMismatch: the key came with another document before.
            Unavailable: the service cannot keep its promise now; nothing was accepted.
        """
        self.require_ready()
        if key is None:
            return await self.accept_parsed(caller, parse(document))
        fingerprint = hashlib.sha256(document).digest()
        return await self.accept_once(caller, parse(document), key, fingerprint)

    async def accept_once(
        self, caller: Caller, document: Mapping[str, Any], key: str, fingerprint: bytes
    ) -> Accepted:
        """Accept a document, or answer as when its `key` first came.

        Raises:
            IdempotencyMismatch: the key came with another fingerprint before.
            InvalidInput, NotPermitted, Unavailable: as `accept`.
        """
        # One at a time for each key: whoever comes second finds what the first one wrote.
        async with self._in_hand.setdefault((caller.id, key), asyncio.Lock()):
            earlier = await self._reader.idempotency_key(caller.id, key)
            now = self._clock.now()
            if earlier is not None and now - earlier.created_at < IDEMPOTENCY_LIFETIME:
                if earlier.fingerprint != fingerprint:
                    raise IdempotencyMismatch(
                        "This Idempotency-Key was used for another request. Use a new key for each."
                    )
                answer = json.loads(earlier.answer)
                status = NotificationStatus(answer["status"])
                return Accepted(UUID(answer["id"]), status, replayed=True)
            if earlier is not None:  # too old, and not tidied away yet
                await self._writer.write(
                    (FORGET_IDEMPOTENCY_KEY, {"caller": caller.id, "key": key})
                )
            row = {"caller": caller.id, "key": key, "fingerprint": fingerprint, "created_at": now}
            return await self.accept_parsed(caller, document, row)

    async def accept_parsed(
        self,
        caller: Caller,
        document: Mapping[str, Any],
        idempotency: Mapping[str, Any] | None = None,
    ) -> Accepted:
        """Check a document, write it with the row that remembers its key, and queue it.

        Raises:
            InvalidInput, NotPermitted, Unavailable: as `accept`.
        """
        now = self._clock.now()
        checked = await self._validation.check(caller, document, now)
        send_at = checked.request.send_at
        due = max(now, milliseconds(send_at)) if send_at is not None else now
        status = NotificationStatus.scheduled if due > now else NotificationStatus.queued
        id = self._ids()
        job = Job(self._ids(), id, checked.priority)
        row = self._row(caller, checked)
        row |= {"id": id, "status": status, "accepted_at": now, "updated_at": now}
        changes: list[Change] = [
            (ADD_NOTIFICATION, row),
            (ADD_JOB, job.row(due_at=due)),
            (ADD_TOTAL, total(now, checked.kind.kind, "", ACCEPTED)),
        ]
        if idempotency is not None:
            answer = json.dumps({"id": str(id), "status": status})
            changes.append((ADD_IDEMPOTENCY_KEY, {**idempotency, "answer": answer}))
        await self._writer.write(*changes)
        self._metrics.accepted.labels(checked.kind.kind, checked.priority.name).inc()
        if status is NotificationStatus.scheduled:
            self._notice(checked.priority, due)
        else:
            self._queue.put(job, checked.priority)
        return Accepted(id, status)

    def _row(self, caller: Caller, checked: Checked) -> dict[str, Any]:
        request = checked.request
        return {
            "kind": checked.kind.kind,
            "title": request.title,
            "body": request.body,
            "data": request.data.model_dump_json(exclude_none=True),
            "audience": json.dumps([str(address) for address in checked.recipients]),
            "priority": int(checked.priority),
            "channels": json.dumps(request.channels) if request.channels is not None else None,
            "locale": request.locale or self._locale,
            "send_at": milliseconds(request.send_at) if request.send_at else None,
            "expires_at": milliseconds(request.expires_at) if request.expires_at else None,
            "reference": request.reference,
            "sender": caller.id,
            "completed_at": None,
            "expanded": 0,
            "pending": 1,
        }


def fingerprint(document: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """What tells a request of one Idempotency-Key from another, for a part of a body."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()
