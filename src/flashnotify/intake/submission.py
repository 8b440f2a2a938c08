"""Accepts notifications: validates, stores, queues. An accepted notification is on disk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from flashnotify.archive.ports import Archive
from flashnotify.archive.records import IdempotencyRecord, Notification
from flashnotify.clock import Clock
from flashnotify.delivery.planner import Planner
from flashnotify.domain import NotificationStatus, milliseconds
from flashnotify.errors import Unavailable
from flashnotify.identity.principal import Principal
from flashnotify.intake.idempotency import Accepted, Idempotency
from flashnotify.intake.json_documents import parse
from flashnotify.intake.validation import Checked, Validation
from flashnotify.runtime.supervisor import Supervisor
from flashnotify.telemetry.metrics import Metrics
from flashnotify.time_slices import TimeSlices


@dataclass(eq=False, slots=True)
class Submission:
    """Accepts notifications. `locale` is the default language; `slices` are for long work."""

    validation: Validation
    archive: Archive
    idempotency: Idempotency
    supervisor: Supervisor
    planner: Planner
    metrics: Metrics
    clock: Clock
    ids: Callable[[], UUID]
    locale: str
    slices: TimeSlices

    def require_ready(self) -> None:
        """Check that notifications can be stored and sent. Raise `Unavailable` if they cannot."""
        self.supervisor.require_all()
        if self.archive.overloaded:
            raise Unavailable("The archive cannot keep up. Send it again later.", code="overloaded")

    async def accept(self, caller: Principal, document: bytes, key: str | None) -> Accepted:
        """Accept the notification of a JSON `document`; `key` is its Idempotency-Key.

        Raises:
            MalformedDocument: the document is not a JSON object.
            InvalidInput: the document has mistakes.
            NotPermitted: the caller may not send this.
            IdempotencyMismatch: the key was used for another document.
            Unavailable: nothing can be accepted now.
        """
        self.require_ready()
        return await self.accept_parsed(caller, await parse(document, self.slices), key)

    async def accept_parsed(
        self, caller: Principal, document: Mapping[str, Any], key: str | None
    ) -> Accepted:
        """Accept a parsed document; raise what `accept` raises for it."""
        if key is None:
            accepted = await self._accept(caller, document)
        else:
            accept = partial(self._accept, caller, document)
            accepted = await self.idempotency.once(caller.id, key, document, accept)
        warnings = self.validation.warnings(document)
        return replace(accepted, warnings=warnings) if warnings else accepted

    async def _accept(
        self,
        caller: Principal,
        document: Mapping[str, Any],
        answer: Callable[[UUID, NotificationStatus], IdempotencyRecord] | None = None,
    ) -> Accepted:
        now = self.clock.now()
        checked = await self.validation.check(caller, document, now)
        notification = self._notification(caller, checked, now)
        work = self.planner.work(notification)
        record = answer(notification.id, notification.status) if answer is not None else None
        await self.archive.notifications.accept(notification, work, record)
        self.metrics.accepted.labels(notification.kind, checked.priority.name).inc()
        self.planner.queue(work)
        return Accepted(notification.id, notification.status)

    def _notification(self, caller: Principal, checked: Checked, now: int) -> Notification:
        request = checked.request
        send_at = milliseconds(checked.send_at) if checked.send_at else None
        later = send_at is not None and send_at > now
        return Notification(
            id=self.ids(),
            kind=checked.kind.kind,
            title=request.title,
            body=request.body,
            data=checked.data,
            audience=list(checked.recipients),
            recipients=len(checked.recipients),
            priority=checked.priority,
            channels=request.channels,
            locale=request.locale or self.locale,
            send_at=send_at,
            expires_at=milliseconds(request.expires_at) if request.expires_at else None,
            reference=request.reference,
            sender=caller.id,
            status=NotificationStatus.scheduled if later else NotificationStatus.queued,
            accepted_at=now,
            updated_at=now,
        )
