"""The only place that decides whether a batch, or one of its messages, may be sent now."""

from __future__ import annotations

from flashnotify.archive.records import Finish, Reschedule
from flashnotify.clock import Clock
from flashnotify.delivery.batch import Batch
from flashnotify.delivery.in_flight import InFlight
from flashnotify.delivery.quiet_hours import QuietHours
from flashnotify.delivery.routing import NOT_OFFERED
from flashnotify.domain import DeliveryStatus, Message, NotificationStatus

CANCELLED = Finish(DeliveryStatus.cancelled, "the notification was cancelled")
EXPIRED = Finish(DeliveryStatus.skipped, "expired")
SKIPPED = Finish(DeliveryStatus.skipped, NOT_OFFERED)
UNSERVED = Finish(DeliveryStatus.failed, "no transport in the settings serves this address")
QUIET = "waits for the end of quiet hours"
BREAKER_OPEN = "waits for the transport to work again"


class Decider:
    """Decides what happens to a batch, or to one of its messages, at this moment."""

    def __init__(self, in_flight: InFlight, quiet_hours: QuietHours, clock: Clock) -> None:
        self._in_flight = in_flight
        self._quiet_hours = quiet_hours
        self._clock = clock

    def decide(self, batch: Batch, message: Message | None = None) -> Finish | Reschedule | None:
        """Return how deliveries end, or until when they wait; None means go.

        Without a `message` the answer is for the batch as a whole.
        """
        notification, kind, channel = batch.notification, batch.kind, batch.channel
        now = self._clock.now()
        if self.cancelled(batch):
            return CANCELLED
        if kind is None or channel is None or channel.spec.name not in kind.channels:
            return SKIPPED
        if notification.expires_at is not None and now >= notification.expires_at:
            return EXPIRED
        quiet = self._quiet_hours.end(kind, channel.spec, batch.job.priority, now)
        if quiet is not None:
            return _until(quiet, QUIET, batch)
        wait = channel.wait(message, urgent=batch.urgent)
        if wait is None:
            return UNSERVED
        if wait > 0:
            return _until(now + round(wait * 1000), BREAKER_OPEN, batch)
        return None

    def cancelled(self, batch: Batch) -> bool:
        """Return whether the notification was cancelled, before the batch was loaded or since."""
        cancelled = batch.notification.status is NotificationStatus.cancelled
        return cancelled or self._in_flight.cancelled(batch.job)


def _until(at: int, reason: str, batch: Batch) -> Reschedule:
    """Wait until `at`, but no longer than the notification lives: then it ends as expired."""
    expires_at = batch.notification.expires_at
    return Reschedule(at if expires_at is None else min(at, expires_at), reason)
