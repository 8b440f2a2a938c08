"""Delivery reports: what a gateway reports about a message that it has taken."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from flashnotify.archive.ports import Archive
from flashnotify.clock import Clock
from flashnotify.domain import DeliveryStatus
from flashnotify.errors import NotFound, Unavailable
from flashnotify.keyed_locks import KeyedLocks
from flashnotify.people.refused_addresses import RefusedAddresses

# A report may come before the result of its delivery is on disk. It waits this often, the first
# time this many seconds, each next time twice as long: about six seconds in all.
_WAITS = 7
_FIRST_WAIT = 0.05
_MAX_WAITING = 1000


class Report(Enum):
    """What a gateway says about a message."""

    delivered = "delivered"
    undeliverable = "undeliverable"
    under_way = "under way"


@dataclass(eq=False, slots=True)
class Receipts:
    """Applies delivery reports. `proves` tells whether a subject's token is genuine."""

    archive: Archive
    clock: Clock
    proves: Callable[[str, str], bool]
    refused: RefusedAddresses
    _waiting: int = field(default=0, init=False)
    # Reports on one delivery are applied one after the other, so that only the first counts.
    _locks: KeyedLocks[UUID] = field(default_factory=KeyedLocks, init=False)

    async def take(
        self, gateway: str, delivery_id: UUID, token: str, report: Report
    ) -> DeliveryStatus:
        """Apply what `gateway` reports of a delivery, and return the status of the delivery.

        Only a `sent` delivery can become `delivered`, and only once. One that cannot be delivered
        stays `sent`, with a reason: the gateway did take it. Its address is suspended.

        Raises:
            NotFound: the token is not that of this delivery, or there is no such delivery.
            Unavailable: the result of the delivery is not on disk yet, or nothing can be written.
        """
        if not self.proves(f"{gateway} {delivery_id}", token):
            raise NotFound(_UNKNOWN)
        wait = _FIRST_WAIT
        for _ in range(_WAITS):
            status = await self._apply(delivery_id, report)
            if status is not DeliveryStatus.queued or report is Report.under_way:
                return status
            await self._wait(wait)
            wait *= 2
        raise Unavailable("The delivery is still being recorded. Report again.", retry_after=30)

    async def _apply(self, id: UUID, report: Report) -> DeliveryStatus:
        async with self._locks[id]:
            delivery = await self.archive.deliveries.find(id)
            if delivery is None:
                raise NotFound(_UNKNOWN)
            if delivery.status is not DeliveryStatus.sent:
                return delivery.status
            now = self.clock.now()
            if report is Report.delivered:
                of = delivery.notification_id
                notification = await self.archive.notifications.find(of, audience=False)
                assert notification is not None
                await self.archive.deliveries.confirm(delivery, notification.kind, now)
                await self.refused.release(delivery.channel, delivery.address)
                return DeliveryStatus.delivered
            if report is Report.undeliverable:
                reason = "the gateway reports that it cannot be delivered"
                await self.archive.deliveries.note_undeliverable(id, reason, now)
                await self.refused.report_dead(delivery.channel, delivery.address, reason)
            return DeliveryStatus.sent

    async def _wait(self, seconds: float) -> None:
        if self._waiting >= _MAX_WAITING:
            raise Unavailable("Too many reports came early. Report again.", retry_after=5)
        self._waiting += 1
        try:
            await self.clock.sleep(seconds)
        finally:
            self._waiting -= 1


_UNKNOWN = "No delivery matches this report."
