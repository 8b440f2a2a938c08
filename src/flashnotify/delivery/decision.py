"""The only place that decides whether a batch, or one of its messages, may be sent now."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from flashnotify import domain
from flashnotify.archive.people_records import Person
from flashnotify.archive.records import QUIET_HOURS, Delivery, Finish, Notification, Reschedule
from flashnotify.clock import Clock
from flashnotify.delivery.batch import Batch
from flashnotify.delivery.in_flight import InFlight
from flashnotify.delivery.quiet_hours import quiet_until
from flashnotify.delivery.routing import INACTIVE, NOT_OFFERED
from flashnotify.meta.specs import ChannelSpec, NotifierSpec
from flashnotify.people.local_time import zone_of
from flashnotify.people.refused_addresses import RefusedAddresses

CANCELLED = Finish(domain.DeliveryStatus.cancelled, "the notification was cancelled")
EXPIRED = Finish(domain.DeliveryStatus.skipped, "expired")
SKIPPED = Finish(domain.DeliveryStatus.skipped, NOT_OFFERED)
DEACTIVATED = Finish(domain.DeliveryStatus.skipped, INACTIVE)
UNSERVED = Finish(domain.DeliveryStatus.failed, "no transport in the settings serves this address")
SUSPENDED = (
    "the address is suspended: {}. Whoever has the scope people clears that: "
    "DELETE /v1/addresses/suspended/{}"
)
# Why a delivery waits, for people and for programs.
QUIET = QUIET_HOURS, domain.WaitReason.quiet_hours
BREAKER_OPEN = "waits for the transport to work again", domain.WaitReason.breaker_open
CLOCK = "would have expired, but the clock jumped", domain.WaitReason.scheduled
# Milliseconds between two looks at such a clock.
_DOUBT = 60_000


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides what happens to deliveries at this moment, on a campus in `zone`."""

    in_flight: InFlight
    zone: ZoneInfo
    clock: Clock
    refused: RefusedAddresses

    def decide(
        self, batch: Batch, message: domain.Message | None = None
    ) -> Finish | Reschedule | None:
        """Return how a message, or else the batch, ends or until when it waits; None means go."""
        notification, kind, channel = batch.notification, batch.kind, batch.channel
        if end := self.end(batch.job, notification):
            return end
        if self._past_end(notification):
            return Reschedule(self.clock.now() + _DOUBT, *CLOCK)
        if kind is None or channel is None or channel.spec.name not in kind.channels:
            return SKIPPED
        if message is not None and self.refused.known and (end := self._suspended(batch, message)):
            return end
        if quiet := self.quiet(kind, channel.spec, notification):
            return quiet
        wait = channel.wait(message, urgent=batch.urgent)
        if wait is None:
            return UNSERVED
        if wait > 0:
            return _until(self.clock.now() + round(wait * 1000), BREAKER_OPEN, notification)
        return None

    def end(self, job: domain.Job, notification: Notification) -> Finish | None:
        """Return how all deliveries of a notification end, if none of them may be sent any more.

        None expires because of a clock in doubt.
        """
        if self.cancelled(job, notification):
            return CANCELLED
        return EXPIRED if self._past_end(notification) and not self.clock.in_doubt() else None

    def _suspended(self, batch: Batch, message: domain.Message) -> Finish | None:
        """Return how a delivery to a suspended address ends; a critical one is tried."""
        found = self.refused.suspended(batch.open_channel.spec.name, message.to)
        if found is None or batch.notification.priority is domain.Priority.critical:
            return None
        return Finish(domain.DeliveryStatus.skipped, SUSPENDED.format(found.reason, found.id))

    def _past_end(self, notification: Notification) -> bool:
        expires_at = notification.expires_at
        return expires_at is not None and self.clock.now() >= expires_at

    def quiet(
        self,
        kind: NotifierSpec,
        channel: ChannelSpec,
        notification: Notification,
        person: Person | None = None,
    ) -> Reschedule | None:
        """Return until when deliveries wait, if a kind, or also a person, has quiet hours now."""
        own = person.preferences.quiet_hours if person is not None else None
        critical = notification.priority is domain.Priority.critical
        if not channel.rings or critical or (kind.quiet_hours is None and own is None):
            return None
        now, end = domain.moment(self.clock.now()), None
        if kind.quiet_hours is not None:
            end = quiet_until(kind.quiet_hours, self.zone, now)
        if person is not None and own is not None:
            later = quiet_until(own, zone_of(person.timezone, self.zone), now)
            end = max(filter(None, (end, later)), default=None)
        return _until(domain.milliseconds(end), QUIET, notification) if end is not None else None

    def quiet_for(self, batch: Batch, delivery: Delivery) -> Reschedule | None:
        """Return until when a person's delivery waits, though the batch may be sent."""
        person = batch.people.get(delivery.user_id) if delivery.user_id is not None else None
        if person is None or batch.kind is None:
            return None
        return self.quiet(batch.kind, batch.open_channel.spec, batch.notification, person)

    def cancelled(self, job: domain.Job, notification: Notification) -> bool:
        """Return whether a notification was cancelled before its job was loaded or since."""
        cancelled = notification.status is domain.NotificationStatus.cancelled
        return cancelled or self.in_flight.cancelled(job)

    def ending(self, job: domain.Job, notification: Notification) -> bool:
        """Return whether a notification was cancelled, or may be in the next commit."""
        return self.cancelled(job, notification) or self.in_flight.ending(job)


def _until(at: int, why: tuple[str, domain.WaitReason], notification: Notification) -> Reschedule:
    """Wait until `at`, but no later than the notification expires."""
    expires_at = notification.expires_at
    return Reschedule(at if expires_at is None else min(at, expires_at), *why)
