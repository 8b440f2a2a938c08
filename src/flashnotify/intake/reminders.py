"""Reminders: a notification once more, to those who have not acknowledged it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from flashnotify.archive.api_key_records import DailyRecipients
from flashnotify.archive.people_ports import Acknowledgements
from flashnotify.archive.records import IdempotencyRecord, Notification
from flashnotify.domain import NotificationStatus
from flashnotify.errors import Conflict
from flashnotify.identity.principal import Principal
from flashnotify.intake.idempotency import Accepted
from flashnotify.intake.sms_cost import over_credit
from flashnotify.intake.submission import Prepared, Submission
from flashnotify.people.acknowledgements import about, require_asking
from flashnotify.people.sms_credit import Charge

Answer = Callable[[UUID, NotificationStatus], IdempotencyRecord]


@dataclass(frozen=True, slots=True)
class Reminders:
    """Sends reminders. Whom one reaches is resolved when it is fanned out."""

    submission: Submission
    acknowledgements: Acknowledgements

    async def remind(
        self, caller: Principal, notification: Notification, key: str | None
    ) -> Accepted:
        """Remind the silent of a notification, or of the one that it reminds of.

        Raises:
            Conflict: it asked for no acknowledgement, was cancelled, is not sent yet, has expired,
                or nobody is silent.
            NotPermitted, RateLimited, IdempotencyMismatch, Unavailable: as `Submission.accept`.
        """
        self.submission.require_ready()
        remind = partial(self._remind, caller, about(notification))
        if key is None:
            return await remind(None)
        document = {"remind": str(about(notification))}
        return await self.submission.idempotency.once(caller.id, key, document, remind)

    async def _remind(self, caller: Principal, id: UUID, answer: Answer | None) -> Accepted:
        submission = self.submission
        original = await submission.archive.notifications.find(id, audience=False)
        silent = await self._silent(original) if original is not None else 0
        if original is None or not silent:
            raise Conflict(
                "Nobody is left to remind: all have acknowledged it.", code="none_silent"
            )
        kind = submission.validation.kind(original.kind)
        caller.require(kind.scope)
        caller.require_priority(original.priority, kind)
        channels = caller.allowed_channels(kind, original.channels)
        reminder = replace(self._reminder(original), sender=caller.id, channels=channels)
        charge: Charge | None = None
        reached: DailyRecipients | None = None
        if caller.cost_centre is not None or caller.role is not None:
            charge = await submission.sms.charge(caller, kind, reminder)
        if caller.recipients_per_day is not None:
            reached = await submission.take(caller, silent, charge)
        work = submission.planner.work(reminder)
        prepared = Prepared(reminder, work, over_credit(charge), reached, charge)
        record = answer(reminder.id, reminder.status) if answer is not None else None
        await submission.store(prepared, record)
        return submission.stored(prepared)

    async def _silent(self, original: Notification) -> int:
        """Return how many are silent. Raise `Conflict` if they cannot be reminded."""
        require_asking(original)
        if original.status is NotificationStatus.cancelled:
            raise Conflict(
                "The notification was cancelled. Send it as a new one.",
                code="notification_cancelled",
            )
        if original.status in (NotificationStatus.scheduled, NotificationStatus.queued):
            raise Conflict("The notification is not sent yet. Remind later.", code="not_sent_yet")
        now = self.submission.clock.now()
        if original.expires_at is not None and now >= original.expires_at:
            raise Conflict(
                "The notification has expired. Send it as a new one.", code="notification_expired"
            )
        return original.recipients - await self.acknowledgements.count(original.id)

    def _reminder(self, original: Notification) -> Notification:
        now = self.submission.clock.now()
        return replace(
            original,
            id=self.submission.ids(),
            audience=(),
            recipients=0,
            fanned_out=0,
            last_person=None,
            send_at=None,
            status=NotificationStatus.queued,
            accepted_at=now,
            updated_at=now,
            completed_at=None,
            outcome=None,
            reminds_of=original.id,
        )
