"""Accepts notifications: validates, stores, queues. An accepted notification is on disk."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from flashnotify.archive.api_key_records import DailyRecipients
from flashnotify.archive.people_ports import Directory
from flashnotify.archive.ports import Archive
from flashnotify.archive.records import FanOutSlice, IdempotencyRecord, Notification, ScheduledJob
from flashnotify.clock import Clock
from flashnotify.delivery.planner import Planner
from flashnotify.domain import NotificationStatus, milliseconds
from flashnotify.errors import FieldError, Unavailable
from flashnotify.identity.daily_recipients import RecipientLimits
from flashnotify.identity.principal import Principal
from flashnotify.intake.audience import Recipients
from flashnotify.intake.idempotency import Accepted, Idempotency
from flashnotify.intake.json_documents import parse
from flashnotify.intake.sms_cost import SmsCosts, over_credit
from flashnotify.intake.validation import Checked, Validation
from flashnotify.meta.faults import MAX_ERRORS
from flashnotify.meta.requests import LocalizedText
from flashnotify.people.sms_credit import Charge
from flashnotify.runtime.supervisor import Supervisor
from flashnotify.telemetry.metrics import Metrics
from flashnotify.time_slices import TimeSlices


class Prepared(NamedTuple):
    """A valid notification that is not stored yet: its work, and the warnings for its sender.

    `reached` counts its recipients, if those of its sender are limited, and `charge` its SMS, if
    its sender has a cost centre.
    """

    notification: Notification
    work: ScheduledJob | FanOutSlice
    warnings: Sequence[FieldError]
    reached: DailyRecipients | None = None
    charge: Charge | None = None


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
    recipients: RecipientLimits
    directory: Directory
    sms: SmsCosts

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
            NotPermitted: the caller may not send this, or the SMS go over the credit.
            RateLimited: the caller may not reach so many recipients today.
            IdempotencyMismatch: the key was used for another document.
            Unavailable: nothing can be accepted now.
        """
        self.require_ready()
        return await self.accept_parsed(caller, await parse(document, self.slices), key)

    async def accept_parsed(
        self,
        caller: Principal,
        document: Mapping[str, Any],
        key: str | None,
        max_errors: int = MAX_ERRORS,
    ) -> Accepted:
        """Accept a parsed document; raise what `accept` raises, with at most `max_errors`."""
        if key is None:
            prepared = await self.prepare(caller, document, max_errors)
            await self.store(prepared)
            return self.stored(prepared)
        accept = partial(self._accept_once, caller, document, max_errors)
        accepted = await self.idempotency.once(caller.id, key, document, accept)
        warnings = self.validation.warnings(document)
        new = warnings and not accepted.warnings
        return replace(accepted, warnings=warnings) if new else accepted

    async def _accept_once(
        self,
        caller: Principal,
        document: Mapping[str, Any],
        max_errors: int,
        answer: Callable[[UUID, NotificationStatus], IdempotencyRecord],
    ) -> Accepted:
        prepared = await self.prepare(caller, document, max_errors)
        await self.store(prepared, answer(prepared.notification.id, prepared.notification.status))
        return self.stored(prepared)

    async def prepare(
        self, caller: Principal, document: Mapping[str, Any], max_errors: int = MAX_ERRORS
    ) -> Prepared:
        """Return the notification of a parsed document, with what `store` stores.

        Raise `InvalidInput`, `NotPermitted` or `RateLimited`, as `accept` does.
        """
        now = self.clock.now()
        checked = await self.validation.check(caller, document, now, max_errors)
        notification = self._notification(caller, checked, now)
        warnings = self.validation.warnings(document)
        if checked.recipients.people:
            warnings = [*warnings, *await self._empty(checked)]
        work = self.planner.work(notification)
        charge, reached = None, None
        limited = caller.recipients_per_day is not None
        # Before the charge, so that nothing is to be given back if this cannot be read.
        number = await self._reached(checked.recipients) if limited else 0
        # Users have those of their groups.
        if caller.cost_centre is not None or caller.role is not None:
            charge = await self.sms.charge(caller, checked.kind, notification)
            warnings = [*warnings, *over_credit(charge)]
        if limited:
            reached = await self.take(caller, number, charge)
        return Prepared(notification, work, warnings, reached, charge)

    async def take(
        self, caller: Principal, recipients: int, charge: Charge | None
    ) -> DailyRecipients | None:
        """Count recipients, and give back the `charge` if they are too many: `RateLimited`."""
        try:
            return await self.recipients.take(caller, recipients)
        except BaseException:
            if charge is not None:
                self.sms.credit.give_back(charge)
            raise

    async def _empty(self, checked: Checked) -> Sequence[FieldError]:
        """Return a warning if groups are all that is named, and nobody is in them now."""
        to, people = checked.recipients, checked.recipients.people
        if to.number:
            return ()
        async with aclosing(self.directory.audience(people, checked.kind.kind, None, 1)) as found:
            if (await anext(found)).people:
                return ()
        return [FieldError("/to", "empty_audience", "there is nobody in these groups now")]

    async def _reached(self, recipients: Recipients) -> int:
        """Return how many a notification reaches now, the people in its groups included."""
        if not recipients.people:
            return recipients.number
        return len(recipients.addresses) + await self.directory.count(recipients.people)

    def store(self, prepared: Prepared, answer: IdempotencyRecord | None = None) -> Awaitable[None]:
        """Hand a notification over to the archive; it is on disk once the result was awaited."""
        notification, work, _, reached, charge = prepared
        usage = None if charge is None else charge.usage
        storing = self.archive.notifications.accept(notification, work, answer, reached, (), usage)
        if reached is None and charge is None:
            return storing
        return self._counted(storing, reached, charge)

    async def _counted(
        self, storing: Awaitable[None], reached: DailyRecipients | None, charge: Charge | None
    ) -> None:
        try:
            await storing
        except Exception:
            self.recipients.give_back(reached)
            if charge is not None:
                self.sms.credit.give_back(charge)
            raise

    def stored(self, prepared: Prepared) -> Accepted:
        """Queue a notification that is on disk, and return the answer to its sender."""
        notification = prepared.notification
        self.metrics.accepted[notification.kind, notification.priority].inc()
        self.planner.queue(prepared.work)
        # The archive's file may be gone.
        self.supervisor.require_parts()
        return Accepted(notification.id, notification.status, warnings=prepared.warnings)

    def _notification(self, caller: Principal, checked: Checked, now: int) -> Notification:
        request = checked.request
        send_at = milliseconds(checked.send_at) if checked.send_at else None
        later = send_at is not None and send_at > now
        recipients = checked.recipients
        audience = [*recipients.addresses, *recipients.people]
        return Notification(
            id=self.ids(),
            kind=checked.kind.kind,
            title=request.title,
            body=request.body,
            data=checked.data,
            audience=audience,
            recipients=recipients.number if recipients.people else len(audience),
            priority=checked.priority,
            channels=checked.channels,
            locale=request.locale or self.locale,
            send_at=send_at,
            expires_at=milliseconds(request.expires_at) if request.expires_at else None,
            reference=request.reference,
            texts=_stored(request.texts) if request.texts is not None else None,
            personalised=request.personalised,
            acknowledge=request.acknowledge,
            sender=caller.id,
            status=NotificationStatus.scheduled if later else NotificationStatus.queued,
            accepted_at=now,
            updated_at=now,
        )


def _stored(texts: Mapping[str, LocalizedText]) -> Mapping[str, Mapping[str, str]]:
    return {tag: {"title": text.title, "body": text.body} for tag, text in texts.items()}
