"""The one way in: checks, idempotency, the row, the commit. What is accepted is on disk."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID
from weakref import WeakValueDictionary

from pydantic import ValidationError
from pydantic_core import from_json

from flashnotify.archive.reader import Reader
from flashnotify.archive.statements import (
    ADD_IDEMPOTENCY_KEY,
    ADD_JOB,
    ADD_NOTIFICATION,
    FORGET_IDEMPOTENCY_KEYS,
    Change,
)
from flashnotify.archive.writer import Writer
from flashnotify.audience import Audience
from flashnotify.auth.permissions import Caller
from flashnotify.clock import Clock
from flashnotify.domain import (
    IDEMPOTENCY_LIFETIME,
    Address,
    Job,
    NotificationStatus,
    Priority,
    milliseconds,
)
from flashnotify.errors import (
    FieldError,
    IdempotencyMismatch,
    InvalidInput,
    MalformedDocument,
    Unavailable,
)
from flashnotify.meta.registry import Registry
from flashnotify.meta.requests import NotificationRequest
from flashnotify.meta.specs import NotifierSpec, TemplatesSpec
from flashnotify.metrics import Metrics
from flashnotify.queue.base import Queue
from flashnotify.supervision import Supervisor


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one notification may have: characters, bytes of UTF-8, recipients."""

    title: int
    body: int
    recipients: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a notification that is on disk. `replayed`: it was accepted before."""

    id: UUID
    status: NotificationStatus
    replayed: bool = False


class Submission:
    """Accepts notifications."""

    def __init__(
        self,
        kinds: Registry[NotifierSpec],
        templates: Registry[TemplatesSpec],
        audience: Audience,
        reader: Reader,
        writer: Writer,
        supervisor: Supervisor,
        queue: Queue[Job],
        notice: Callable[[Priority, int], None],
        clock: Clock,
        ids: Callable[[], UUID],
        limits: Limits,
        locale: str,
        metrics: Metrics,
    ) -> None:
        self._kinds = kinds
        self._templates = templates
        self._audience = audience
        self._reader = reader
        self._writer = writer
        self._supervisor = supervisor
        self._queue = queue
        self._notice = notice
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._locale = locale
        self._metrics = metrics
        self._in_hand: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def accept(self, caller: Caller, document: bytes, key: str | None) -> Accepted:
        """Accept the notification that a JSON `document` asks for; `key` is its Idempotency-Key.

        Raises:
            MalformedDocument: it is no JSON object.
            InvalidInput: something in it is wrong; every fault is named.
            NotPermitted: the caller may not send this.
            IdempotencyMismatch: the key came with another document before.
            Unavailable: the service cannot keep its promise now; nothing was accepted.
        """
        self._supervisor.require_all()
        if self._writer.overloaded:
            raise Unavailable("The archive cannot keep up at the moment. Send it again later.")
        if key is None:
            return await self._accept(caller, document, ())
        lock = self._in_hand.setdefault((caller.id, key), asyncio.Lock())
        async with lock:
            return await self._accept_once(caller, document, key)

    async def _accept_once(self, caller: Caller, document: bytes, key: str) -> Accepted:
        fingerprint = hashlib.sha256(document).digest()
        earlier = await self._reader.idempotency_key(caller.id, key)
        now = self._clock.now()
        if earlier is not None and now - earlier.created_at < IDEMPOTENCY_LIFETIME:
            if earlier.fingerprint != fingerprint:
                raise IdempotencyMismatch(
                    "This Idempotency-Key was used for another request. Use a new key for each."
                )
            answer = json.loads(earlier.answer)
            return Accepted(UUID(answer["id"]), NotificationStatus(answer["status"]), replayed=True)
        if earlier is not None:  # too old, and not tidied away yet
            before = now - IDEMPOTENCY_LIFETIME + 1
            await self._writer.write((FORGET_IDEMPOTENCY_KEYS, {"before": before}))
        row = {"caller": caller.id, "key": key, "fingerprint": fingerprint, "created_at": now}
        return await self._accept(caller, document, [(ADD_IDEMPOTENCY_KEY, row)])

    async def _accept(
        self, caller: Caller, document: bytes, idempotency: Sequence[Change]
    ) -> Accepted:
        kind, request = self._parse(document)
        caller.require(kind.scope)
        priority = request.priority if request.priority is not None else kind.priority
        caller.require_priority(priority, kind)
        now = self._clock.now()
        self._check(kind, request, now)
        recipients = await self._audience.check(request.to, kind.schemes)

        id = self._ids()
        send_at = milliseconds(request.send_at) if request.send_at else None
        due = max(send_at, now) if send_at is not None else now
        status = NotificationStatus.scheduled if due > now else NotificationStatus.queued
        row = self._row(caller, kind, request, recipients)
        row |= {"id": id, "priority": int(priority), "status": status, "accepted_at": now}
        job = Job(self._ids(), id, priority)
        answer = json.dumps({"id": str(id), "status": status})
        await self._writer.write(
            (ADD_NOTIFICATION, row),
            (
                ADD_JOB,
                {
                    "id": job.id,
                    "notification_id": id,
                    "channel": None,
                    "priority": int(priority),
                    "due_at": due,
                },
            ),
            *((statement, {**values, "answer": answer}) for statement, values in idempotency),
        )
        self._metrics.accepted.labels(kind.kind, priority.name).inc()
        if status is NotificationStatus.scheduled:
            self._notice(priority, due)
        else:
            self._queue.put(job, priority)
        return Accepted(id, status)

    def _parse(self, document: bytes) -> tuple[NotifierSpec, NotificationRequest]:
        try:
            found = from_json(document)
        except ValueError as error:
            raise MalformedDocument(f"The body is not valid JSON: {error}.") from None
        if not isinstance(found, dict):
            raise MalformedDocument('The body must be a JSON object, such as {"kind": …}.')
        kind = self._kind(found.get("kind"))
        try:
            return kind, cast(NotificationRequest, kind.request.model_validate(found))
        except ValidationError as error:
            raise InvalidInput(
                [
                    FieldError.at(fault["loc"], _explain(fault, kind))
                    for fault in error.errors(include_url=False, include_input=False)
                ]
            ) from None

    def _kind(self, name: object) -> NotifierSpec:
        kind = self._kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            known = ", ".join(self._kinds.names())
            nearest = self._kinds.nearest(name) if isinstance(name, str) else None
            hint = f"; did you mean {nearest!r}?" if nearest else ""
            detail = "is missing" if name is None else "is no kind"
            raise InvalidInput([FieldError("/kind", f"{detail}; the kinds are {known}{hint}")])
        return kind

    def _check(self, kind: NotifierSpec, request: NotificationRequest, now: int) -> None:
        """What no field can say alone, or only the settings say."""
        errors: list[FieldError] = []
        if len(request.title) > self._limits.title:
            errors.append(_too_long("/title", len(request.title), self._limits.title, "characters"))
        size = len(request.body.encode())
        if size > self._limits.body:
            errors.append(_too_long("/body", size, self._limits.body, "bytes of UTF-8"))
        if len(request.to) > self._limits.recipients:
            errors.append(_too_long("/to", len(request.to), self._limits.recipients, "entries"))
        given = request.data.model_dump(exclude_none=True).keys()
        errors += [
            FieldError(f"/data/{field}", "is missing, and this kind's templates need it")
            for field in sorted(self._templates[kind.kind].needed - given)
        ]
        if request.expires_at is not None:
            if milliseconds(request.expires_at) <= now:
                errors.append(FieldError("/expires_at", "is in the past"))
            elif request.send_at is not None and request.expires_at <= request.send_at:
                errors.append(FieldError("/expires_at", "is not after send_at"))
        if errors:
            raise InvalidInput(errors)

    def _row(
        self,
        caller: Caller,
        kind: NotifierSpec,
        request: NotificationRequest,
        recipients: Sequence[Address],
    ) -> dict[str, Any]:
        return {
            "kind": kind.kind,
            "title": request.title,
            "body": request.body,
            "data": request.data.model_dump_json(exclude_none=True),
            "audience": json.dumps([str(address) for address in recipients]),
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


def _explain(fault: Mapping[str, Any], kind: NotifierSpec) -> str:
    match fault["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden" if fault["loc"][0] == "data":
            known = ", ".join(kind.fields) or "none"
            return f"is no field of {kind.kind}; its fields are {known}"
        case "extra_forbidden":
            return "is no field of a notification; remove it or move it into data"
        case "literal_error" if fault["loc"][0] == "channels":
            return f"is no channel of {kind.kind}; its channels are {', '.join(kind.channels)}"
        case _:
            return str(fault["msg"]).removeprefix("Value error, ")


def _too_long(pointer: str, size: int, limit: int, unit: str) -> FieldError:
    return FieldError(pointer, f"has {size} {unit}; at most {limit} are allowed")
