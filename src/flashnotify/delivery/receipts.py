"""Delivery reports: what a gateway learns of a message after it has taken it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from enum import Enum
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from sqlalchemy import Row

from flashnotify.archive.reads.reader import Reader
from flashnotify.archive.writer import Writer
from flashnotify.archive.writes.statements import (
    ADD_TOTAL,
    CONFIRM_DELIVERY,
    MOVE_SENT_COUNT,
    NOTE_UNDELIVERABLE,
)
from flashnotify.clock import Clock
from flashnotify.domain import DeliveryStatus
from flashnotify.errors import NotFound, Unavailable
from flashnotify.telemetry.statistics import total

# A report may come before the outcome of its delivery is on disk. It waits so many times, the
# first time so many seconds, each next time twice as long: about six seconds in all.
_WAITS = 7
_FIRST_WAIT = 0.05
_MOST_WAITING = 1000


class Report(Enum):
    """What a gateway says of a message."""

    delivered = "delivered"
    undeliverable = "undeliverable"
    under_way = "under way"


class Receipts:
    """Takes delivery reports. `token` makes the text that proves that a gateway got it from us."""

    def __init__(
        self, reader: Reader, writer: Writer, clock: Clock, token: Callable[[str], str]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._token = token
        self._waiting = 0
        # Reports on one delivery are handled one after the other, so that only the first counts.
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def take(
        self, gateway: str, delivery_id: UUID, token: str, report: Report
    ) -> DeliveryStatus:
        """Note what `gateway` reports of a delivery; the delivery's status after it.

        Only what was `sent` becomes `delivered`, and once. What cannot be delivered stays `sent`,
        with a reason: that the gateway took it remains true.

        Raises:
            NotFound: the token is not that of this delivery, or there is no such delivery.
            Unavailable: the delivery's outcome is not on disk yet, or nothing can be written now.
        """
        expected = self._token(f"{gateway} {delivery_id}")
        if not hmac.compare_digest(expected.encode(), token.encode()):
            raise NotFound(_UNKNOWN)
        wait = _FIRST_WAIT
        for _ in range(_WAITS):
            status = await self._note(delivery_id, report)
            if status is not DeliveryStatus.queued or report is Report.under_way:
                return status
            await self._wait(wait)
            wait *= 2
        raise Unavailable("The delivery is still under way here. Report again.", retry_after=30)

    async def _note(self, id: UUID, report: Report) -> DeliveryStatus:
        async with self._locks.setdefault(id, asyncio.Lock()):
            row = await self._reader.delivery(id)
            if row is None:
                raise NotFound(_UNKNOWN)
            if row.status != DeliveryStatus.sent:
                return DeliveryStatus(row.status)
            if report is Report.delivered:
                await self._confirm(id, row)
                return DeliveryStatus.delivered
            if report is Report.undeliverable:
                now, why = self._clock.now(), "the gateway reports that it cannot be delivered"
                await self._writer.write((NOTE_UNDELIVERABLE, {"of": id, "why": why, "now": now}))
            return DeliveryStatus.sent

    async def _confirm(self, id: UUID, row: Row[Any]) -> None:
        now, delivered = self._clock.now(), DeliveryStatus.delivered
        await self._writer.write(
            (MOVE_SENT_COUNT, {"of": id, "counted": DeliveryStatus.sent, "number": -1}),
            (MOVE_SENT_COUNT, {"of": id, "counted": delivered, "number": 1}),
            (CONFIRM_DELIVERY, {"of": id, "now": now}),
            (ADD_TOTAL, total(now, row.kind, row.channel, delivered)),
        )

    async def _wait(self, seconds: float) -> None:
        if self._waiting >= _MOST_WAITING:
            raise Unavailable("Too many reports came too early. Report again.", retry_after=5)
        self._waiting += 1
        try:
            await self._clock.sleep(seconds)
        finally:
            self._waiting -= 1


_UNKNOWN = "There is no delivery at this address that a report could be about."
