"""Resolves audiences and chooses channels as a fan-out does, and stores nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from flashnotify.archive.records import Notification
from flashnotify.delivery.recipients import Recipients
from flashnotify.delivery.routing import Route, Routing
from flashnotify.meta.specs import NotifierSpec


@dataclass(frozen=True, slots=True)
class Resolution:
    """Finds out whom a notification would reach now, and how."""

    recipients: Recipients
    routing: Routing

    async def routes(
        self, kind: NotifierSpec, notification: Notification
    ) -> AsyncIterator[Sequence[Route]]:
        """Yield the routes of each recipient."""
        async for some in self.recipients.slices(notification):
            # To load and to route them takes milliseconds each.
            await asyncio.sleep(0)
            for recipient in some.recipients:
                yield [*self.routing.routes(kind, [recipient], notification)]
            await asyncio.sleep(0)
